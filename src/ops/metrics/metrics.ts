import { Registry, type Metric as RegisteredMetric } from "prom-client";
import { CHANNELS_METRICS } from "./channels-metrics.ts";
import type { Metric, MetricSources, Reading } from "./metric.ts";
import { PROCESS_METRICS, eventLoopDelay } from "./process-metrics.ts";
import { REDIS_METRICS } from "./redis-metrics.ts";
import { WEBHOOK_METRICS } from "./webhook-metrics.ts";

/** Every metric that there is, in the order of docs/operations.md. Labels never hold what a client may choose. */
const METRICS: readonly Metric[] = [
  ...CHANNELS_METRICS,
  ...WEBHOOK_METRICS,
  ...REDIS_METRICS,
  ...PROCESS_METRICS,
];

/** Prometheus' view of the process. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #sources: MetricSources;
  #reading: Reading | undefined;

  constructor(sources: MetricSources) {
    this.#sources = sources;
    eventLoopDelay.enable();
    for (const metric of METRICS) this.#register(metric);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of one scrape. */
  async scrape(): Promise<string> {
    const [recorded, known] = await Promise.all([
      ifTold(this.#sources.events()),
      ifTold(this.#sources.workload()),
    ]);
    this.#reading = { ...this.#sources, recorded, known };
    return await this.#registry.metrics();
  }

  close(): void {
    eventLoopDelay.disable();
  }

  /** Nothing is counted twice: what the registry asks for is read off the figures at that moment. */
  #register({ name, help, type, read }: Metric): void {
    const get = () => {
      const reading = this.#reading;
      const values =
        reading === undefined
          ? []
          : Array.from(read(reading), ([value, labels = {}, suffix = ""]) => ({
              value,
              labels: { ...labels },
              metricName: name + suffix,
            }));
      return Promise.resolve({ name, help, type, values, aggregator: "sum" });
    };
    this.#registry.registerMetric({ name, help, type, get } as unknown as RegisteredMetric);
  }
}

/** A scrape must not fail because the store is away: that is when it is looked at. */
function ifTold<Figures>(figures: Promise<Figures>): Promise<Figures | undefined> {
  return figures.catch(() => undefined);
}
