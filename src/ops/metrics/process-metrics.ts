import { readdirSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { ofProcess, type Metric } from "./metric.ts";

export const eventLoopDelay = monitorEventLoopDelay({ resolution: 20 });

/** Of the process, whatever its rings. */
export const PROCESS_METRICS: readonly Metric[] = [
  ofProcess(
    "gauge",
    "ringmaster_process_connections",
    "Sockets open now, of all apps.",
    (sources) => sources.connections(),
  ),
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
    "What is left of the drain window, all of it before it begins; 0 unless draining.",
    (sources) => sources.drainWindowLeftMs() / 1000,
  ),
  ofProcess(
    "gauge",
    "ringmaster_drain_sockets_left",
    "Sockets that are still to be closed; 0 unless draining.",
    (sources) => (sources.state() === "draining" ? sources.connections() : 0),
  ),
  ofProcess(
    "gauge",
    "ringmaster_drain_overrun_seconds",
    "How long stopping has taken beyond what was planned for it; 0 unless it has.",
    (sources) => sources.overrunMs() / 1000,
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
