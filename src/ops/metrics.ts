import { readdirSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Registry } from "prom-client";
import type { TenantFigures } from "../channels/channels.ts";
import type { DescriptorLimit } from "./file-descriptors.ts";
import type { LifecycleState } from "./lifecycle.ts";

/** What the metrics are read from when somebody asks. Nothing is counted here. */
export interface MetricSources {
  readonly version: string;
  readonly descriptors: DescriptorLimit;
  readonly maxConnections: number;
  tenants(): readonly TenantFigures[];
  state(): LifecycleState;
  cacheBytes(): number;
  /** While draining: what is left of the window. */
  drainWindowLeftMs(): number;
  configurationOk(): boolean;
}

type Sample = readonly [value: number, labels?: Readonly<Record<string, string | number>>];

interface Metric {
  readonly type: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(sources: MetricSources): Iterable<Sample>;
}

/** A figure of each app. */
function perApp(
  type: Metric["type"],
  name: string,
  help: string,
  read: (figures: TenantFigures) => number,
): Metric {
  return {
    type,
    name,
    help,
    labels: ["app"],
    *read(sources) {
      for (const figures of sources.tenants()) yield [read(figures), { app: figures.appId }];
    },
  };
}

function ofProcess(
  type: Metric["type"],
  name: string,
  help: string,
  read: (sources: MetricSources) => number,
): Metric {
  return {
    type,
    name,
    help,
    labels: [],
    *read(sources) {
      yield [read(sources)];
    },
  };
}

const eventLoopDelay = monitorEventLoopDelay({ resolution: 20 });

/** Every metric that there is, in the order of docs/operations.md. Labels never hold what a client may choose. */
export const METRICS: readonly Metric[] = [
  perApp("gauge", "ringmaster_connections", "Sockets open now.", (figures) => figures.connections),
  perApp(
    "gauge",
    "ringmaster_channels",
    "Channels that this process has subscribers or listeners for.",
    (figures) => figures.channels,
  ),
  perApp(
    "gauge",
    "ringmaster_subscriptions",
    "Subscriptions of this process's sockets.",
    (figures) => figures.subscriptions,
  ),
  perApp(
    "counter",
    "ringmaster_connections_opened_total",
    "Sockets admitted.",
    ({ counters }) => counters.connectionsOpened,
  ),
  {
    type: "counter",
    name: "ringmaster_connections_closed_total",
    help: "Sockets closed, by close code; 1006 is a connection that broke or ended without one of the known codes.",
    labels: ["app", "code"],
    *read(sources) {
      for (const { appId, counters } of sources.tenants()) {
        for (const [code, closed] of counters.connectionsClosed)
          yield [closed, { app: appId, code }];
      }
    },
  },
  perApp(
    "counter",
    "ringmaster_slow_readers_closed_total",
    "Sockets closed because they did not read what they were sent.",
    ({ counters }) => counters.slowReadersClosed,
  ),
  perApp(
    "counter",
    "ringmaster_subscribes_total",
    "Subscriptions that succeeded.",
    ({ counters }) => counters.subscribes,
  ),
  perApp(
    "counter",
    "ringmaster_messages_received_total",
    "Frames received from clients.",
    ({ counters }) => counters.messagesReceived,
  ),
  perApp(
    "counter",
    "ringmaster_client_events_total",
    "Client events passed on.",
    ({ counters }) => counters.clientEvents,
  ),
  perApp(
    "counter",
    "ringmaster_client_events_rate_limited_total",
    "Client events refused with 4301.",
    ({ counters }) => counters.clientEventsRefusedByRate,
  ),
  perApp(
    "counter",
    "ringmaster_events_published_total",
    "Events accepted by the HTTP API, one for each channel.",
    ({ counters }) => counters.eventsPublished,
  ),
  perApp(
    "counter",
    "ringmaster_deliveries_total",
    "Frames handed to sockets by fan-out.",
    ({ counters }) => counters.deliveries,
  ),
  perApp(
    "counter",
    "ringmaster_delivered_bytes_total",
    "Bytes of those frames.",
    ({ counters }) => counters.deliveredBytes,
  ),
  perApp(
    "counter",
    "ringmaster_cache_misses_total",
    "Subscriptions to a cache channel that had no event.",
    ({ counters }) => counters.cacheMisses,
  ),
  perApp(
    "counter",
    "ringmaster_errors_sent_total",
    "pusher:error frames sent.",
    ({ counters }) => counters.errorsSent,
  ),
  {
    type: "counter",
    name: "ringmaster_api_requests_total",
    help: "Requests of the HTTP API by endpoint and status.",
    labels: ["app", "endpoint", "status"],
    *read(sources) {
      for (const { appId, counters } of sources.tenants()) {
        for (const [key, requests] of counters.apiRequests) {
          const [endpoint = "", status = ""] = key.split(" ");
          yield [requests, { app: appId, endpoint, status }];
        }
      }
    },
  },
  ofProcess(
    "gauge",
    "ringmaster_max_connections",
    "Sockets that this process takes in all.",
    (sources) => sources.maxConnections,
  ),
  ofProcess(
    "gauge",
    "ringmaster_cache_bytes",
    "Memory that the last events of cache channels take.",
    (sources) => sources.cacheBytes(),
  ),
  ofProcess(
    "gauge",
    "ringmaster_ready",
    "1 while ready, 0 while starting or draining.",
    (sources) => (sources.state() === "ready" ? 1 : 0),
  ),
  ofProcess("gauge", "ringmaster_draining", "1 while draining.", (sources) =>
    sources.state() === "draining" ? 1 : 0,
  ),
  ofProcess(
    "gauge",
    "ringmaster_drain_window_left_seconds",
    "What is left of the drain window; 0 unless draining.",
    (sources) => sources.drainWindowLeftMs() / 1000,
  ),
  ofProcess(
    "gauge",
    "ringmaster_configuration_ok",
    "0 while the configuration file is wrong and the one before it is in force.",
    (sources) => (sources.configurationOk() ? 1 : 0),
  ),
  {
    type: "gauge",
    name: "ringmaster_build_info",
    help: "Always 1; the label tells the version.",
    labels: ["version"],
    *read(sources) {
      yield [1, { version: sources.version }];
    },
  },
  ofProcess(
    "gauge",
    "ringmaster_event_loop_delay_p99_seconds",
    "How late the event loop came to its work, 99th percentile since the last scrape.",
    () => {
      const delayNs = eventLoopDelay.percentile(99);
      eventLoopDelay.reset();
      return Number.isFinite(delayNs) ? delayNs / 1e9 : 0;
    },
  ),
  ofProcess(
    "counter",
    "process_cpu_seconds_total",
    "CPU time of the process, user and system.",
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  ),
  ofProcess("gauge", "process_resident_memory_bytes", "Resident memory.", () =>
    process.memoryUsage.rss(),
  ),
  ofProcess("gauge", "process_open_fds", "Open file descriptors.", openDescriptors),
  ofProcess(
    "gauge",
    "process_max_fds",
    "File descriptors that the process may open.",
    (sources) => sources.descriptors.limit,
  ),
  ofProcess(
    "gauge",
    "process_start_time_seconds",
    "When the process started, since the Unix epoch.",
    () => Math.round(performance.timeOrigin / 1000),
  ),
];

function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

/** Prometheus' view of the process. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #instruments: readonly { metric: Metric; instrument: Counter | Gauge }[];
  readonly #sources: MetricSources;

  constructor(sources: MetricSources) {
    this.#sources = sources;
    eventLoopDelay.enable();
    this.#instruments = METRICS.map((metric) => {
      const { type, name, help, labels } = metric;
      const options = { name, help, labelNames: labels, registers: [this.#registry] };
      return { metric, instrument: type === "counter" ? new Counter(options) : new Gauge(options) };
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of one scrape. */
  scrape(): Promise<string> {
    for (const { metric, instrument } of this.#instruments) {
      instrument.reset();
      for (const [value, labels = {}] of metric.read(this.#sources))
        instrument.inc({ ...labels }, value);
    }
    return this.#registry.metrics();
  }

  close(): void {
    eventLoopDelay.disable();
  }
}
