import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNs, processCpuNs } from "./cpu-clock.ts";
import { type Act, EventDriver } from "./event-driver.ts";
import { JobTable } from "./job-table.ts";
import { refuseHelpers } from "./lone-process.ts";
import { CREDENTIALS } from "./pusher-api.ts";
import { type RingmasterProcess, startRingmaster } from "./ringmaster-process.ts";
import { LOOPBACK_NETWORK, type Arrivals, type Sink } from "./sink.ts";

/** What one round of events took, from the client's socket to the receiver. */
export interface Told extends Arrivals {
  readonly events: number;
  readonly serverCpuNs: number;
  readonly elapsedNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
}

export interface PipelineOptions {
  readonly webhookEvents: readonly string[];
  readonly batchWebhooks: boolean;
  /** What makes an event. */
  readonly act: Act;
  /** Apps that are there besides. */
  readonly otherApps?: readonly unknown[];
}

export interface Pace {
  readonly perSecond: number;
  readonly seed: number;
}

const SOCKETS = 50;
const ACKNOWLEDGE_TIMEOUT_MS = 15_000;
const POLL_MS = 20;
const SETTLE_MS = 50;

/** One Ringmaster with all roles, clients that make events on it, and the sink that its webhooks go to. */
export class PipelineSession {
  readonly jobs: JobTable;
  readonly #process: RingmasterProcess;
  readonly #driver: EventDriver;
  readonly #sink: Sink;
  readonly #act: Act;
  #nextId = 1;

  private constructor(process: RingmasterProcess, driver: EventDriver, sink: Sink, act: Act) {
    this.#process = process;
    this.#driver = driver;
    this.#sink = sink;
    this.#act = act;
    this.jobs = new JobTable(process.databaseFile);
  }

  static async open(sink: Sink, options: PipelineOptions): Promise<PipelineSession> {
    const process = await startRingmaster({
      apps: [appOf(sink, options), ...(options.otherApps ?? [])],
      sender: { allowedNetworks: [LOOPBACK_NETWORK] },
    });
    try {
      await refuseHelpers(process.child.pid);
      const driver = await EventDriver.open(process.port, SOCKETS);
      return new PipelineSession(process, driver, sink, options.act);
    } catch (error) {
      await process.child.stop();
      throw error;
    }
  }

  /** Resolves when every event was told and every webhook acknowledged. Without a pace, all of them at once. */
  async tell(events: number, pace: Pace | null): Promise<Told> {
    const firstId = this.#nextId;
    this.#nextId += events;
    await this.#sink.expect(firstId, events);
    const { pid } = this.#process.child;
    const [cpuBeforeNs, begunNs] = [processCpuNs(pid), monotonicNs()];
    const sentNs =
      pace === null
        ? this.#driver.actAtOnce(firstId, events, this.#act)
        : await this.#driver.actPaced(firstId, events, pace, this.#act);
    const arrivals = await this.#sink.untilArrived();
    await this.#untilAcknowledged();
    const elapsedNs = monotonicNs() - begunNs;
    await sleep(SETTLE_MS);
    const serverCpuNs = processCpuNs(pid) - cpuBeforeNs;
    const arrivedNs = await this.#sink.arrivalTimesNs();
    const latenciesNs = arrivedNs
      .map((atNs, index) => atNs - (sentNs[index] ?? Number.NaN))
      .sort((left, right) => left - right);
    const share = (part: number): number =>
      latenciesNs[Math.ceil(latenciesNs.length * part) - 1] ?? Number.NaN;
    return { ...arrivals, events, serverCpuNs, elapsedNs, p50Ns: share(0.5), p99Ns: share(0.99) };
  }

  async close(): Promise<void> {
    this.#driver.close();
    await this.#process.child.stop();
    this.jobs.close();
  }

  describe(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    const { child } = this.#process;
    return child.ended ? `${text}; the server ended: ${child.lastWords}` : text;
  }

  async #untilAcknowledged(): Promise<void> {
    const deadlineMs = performance.now() + ACKNOWLEDGE_TIMEOUT_MS;
    while (this.jobs.waitingOf(CREDENTIALS.appId) > 0) {
      if (performance.now() > deadlineMs)
        throw new Error("webhooks arrived, but were never acknowledged");
      await sleep(POLL_MS);
    }
  }
}

function appOf(sink: Sink, { webhookEvents, batchWebhooks }: PipelineOptions): unknown {
  const { appId, key, secret } = CREDENTIALS;
  return {
    id: appId,
    keys: [{ key, secret }],
    clientEvents: true,
    limits: { clientEventsPerSecond: null },
    batchWebhooks,
    webhooks: [
      { id: "sink", url: `http://127.0.0.1:${sink.port}/webhooks`, events: webhookEvents },
    ],
  };
}
