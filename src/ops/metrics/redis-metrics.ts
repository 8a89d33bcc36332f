import type { RedisStoreFigures } from "../../stores/redis/store.ts";
import { ofKnown, type Metric } from "./metric.ts";

/** Of a process that stands on Redis. */
export const REDIS_METRICS: readonly Metric[] = [
  ofRedis(
    "gauge",
    "ringmaster_redis_up",
    "0 while a connection to Redis that is needed is lost; the process is not ready then.",
    ({ isWell }) => (isWell ? 1 : 0),
  ),
  ofRedis(
    "counter",
    "ringmaster_redis_connections_lost_total",
    "Connections to Redis that broke.",
    ({ connection }) => connection.lost,
  ),
  ofRedis(
    "counter",
    "ringmaster_redis_reconnects_total",
    "Connections to Redis that were made again.",
    ({ connection }) => connection.reconnects,
  ),
  {
    type: "counter",
    name: "ringmaster_redis_faults_total",
    help: "Calls that Redis did not answer; what must not be lost is repeated.",
    labels: ["kind"],
    *read({ redis }) {
      for (const [kind, count] of redis()?.connection.faults ?? []) yield [count, { kind }];
    },
  },
  ofRedis(
    "gauge",
    "ringmaster_redis_waiting_writes",
    "What this process has to say to the Roster and the event log, and Redis has not taken yet.",
    ({ waiting }) => waiting,
  ),
  ofRedis(
    "counter",
    "ringmaster_bus_gaps_total",
    "Channels on which messages may have been missed, because a connection broke or a slot moved.",
    ({ busGaps }) => busGaps,
  ),
  ofRedis(
    "gauge",
    "ringmaster_nodes",
    "Processes with channels that gave a sign of life lately, as this one sees it.",
    ({ nodes }) => nodes,
  ),
  ofRedis(
    "counter",
    "ringmaster_nodes_reaped_total",
    "Dead processes that this one has cleaned up after.",
    ({ reaped }) => reaped,
  ),
  ofRedis(
    "counter",
    "ringmaster_delivery_log_dropped_total",
    "Attempts that are missing in the delivery log because Redis was away for too long. No delivery depends on them.",
    ({ attemptsDropped }) => attemptsDropped,
  ),
];

function ofRedis(
  type: Metric["type"],
  name: string,
  help: string,
  read: (figures: RedisStoreFigures) => number,
): Metric {
  return ofKnown(type, name, help, ({ redis }) => redis(), read);
}
