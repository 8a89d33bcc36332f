import type { HistogramFigures } from "../../sender/histogram.ts";
import { ofKnown, type Metric, type Reading, type Sample } from "./metric.ts";

/** Of events, jobs and deliveries. What stands in a store is told by every process that shares it. */
export const WEBHOOK_METRICS: readonly Metric[] = [
  ofKnown(
    "gauge",
    "ringmaster_database_ok",
    "0 while the embedded database cannot be written: everything that has to be waits in memory.",
    ({ database }) => database(),
    ({ isWell }) => (isWell ? 1 : 0),
  ),
  ofKnown(
    "gauge",
    "ringmaster_database_waiting_changes",
    "Changes of this process that are not in the database yet.",
    ({ database }) => database(),
    ({ waiting }) => waiting,
  ),
  ofKnown(
    "gauge",
    "ringmaster_webhook_events",
    "Events that are recorded and not settled; leavings stay for three seconds.",
    ({ recorded }) => recorded,
    ({ events }) => events,
  ),
  ofKnown(
    "gauge",
    "ringmaster_webhook_oldest_event_seconds",
    "Age of the oldest of them. Above a few seconds no packager keeps up, or none runs.",
    ({ recorded }) => recorded,
    ({ oldestEventMs }) => oldestEventMs / 1000,
  ),
  {
    type: "gauge",
    name: "ringmaster_webhook_jobs",
    help: "Webhooks in the queue: due, leased by a sender, delayed until their next attempt, dead letters.",
    labels: ["state"],
    *read({ known }) {
      if (known === undefined) return;
      for (const state of ["due", "leased", "delayed", "dead"] as const)
        yield [known.queue[state], { state }];
    },
  },
  ofKnown(
    "gauge",
    "ringmaster_webhook_oldest_due_seconds",
    "How long the oldest due webhook has been waiting for a sender.",
    ({ known }) => known,
    ({ queue }) => queue.oldestDueMs / 1000,
  ),
  ofKnown(
    "gauge",
    "ringmaster_webhook_paused_endpoints",
    "Webhooks that are paused, by a 410 or by hand.",
    ({ known }) => known,
    ({ queue }) => queue.pausedEndpoints,
  ),
  ofKnown(
    "gauge",
    "ringmaster_sender_backlog_seconds",
    "How long one sender would need for the webhooks that are due and could be delivered now. Divided by the seconds in which they are to be gone, it is the senders that are wanted.",
    ({ known }) => known,
    ({ backlogSeconds }) => backlogSeconds,
  ),
  ofKnown(
    "gauge",
    "ringmaster_senders_busy",
    "How many senders, each at full load, would do what all of them do now.",
    ({ known }) => known,
    ({ sendersBusy }) => sendersBusy,
  ),
  {
    type: "gauge",
    name: "ringmaster_senders",
    help: "Senders that gave a sign of life lately, in all processes, by version.",
    labels: ["version"],
    *read({ known }) {
      for (const [version, senders] of known?.senders ?? []) yield [senders, { version }];
    },
  },
  ofPackager(
    "counter",
    "ringmaster_packager_events_read_total",
    "Events that this process read from the log.",
    ({ counters }) => counters.eventsRead,
  ),
  ofPackager(
    "counter",
    "ringmaster_packager_events_suppressed_total",
    "Leavings that were followed by a return within three seconds, and those returns.",
    ({ counters }) => counters.eventsSuppressed,
  ),
  {
    type: "counter",
    name: "ringmaster_packager_jobs_total",
    help: "Webhooks that this process put into the queue.",
    labels: ["app"],
    *read(reading) {
      for (const [app, jobs] of reading.packager()?.counters.jobsMade ?? []) yield [jobs, { app }];
    },
  },
  ofPackager(
    "counter",
    "ringmaster_packager_failures_total",
    "Times that the log could not be read or settled.",
    ({ counters }) => counters.readFailures + counters.settleFailures,
  ),
  ofPackager(
    "gauge",
    "ringmaster_packager_partitions",
    "Partitions of the event log that this process owns; 0 in one that stands by.",
    ({ partitions }) => partitions,
  ),
  ofPackager(
    "gauge",
    "ringmaster_packager_oldest_due_seconds",
    "How long an event has been due, its wait over, and is not in the queue.",
    ({ oldestUnsettledMs }) => oldestUnsettledMs / 1000,
  ),
  {
    type: "counter",
    name: "ringmaster_sender_attempts_total",
    help: "Attempts to deliver; dns, egress and shutdown are ours and count for nothing.",
    labels: ["app", "result", "sender_version"],
    *read(reading) {
      for (const { appId, attempts } of reading.sender()?.apps ?? []) {
        for (const [result, count] of Object.entries(attempts))
          if (count > 0) yield [count, { app: appId, result, sender_version: reading.version }];
      }
    },
  },
  {
    type: "counter",
    name: "ringmaster_sender_buried_total",
    help: "Webhooks that this process gave up; they are among the dead letters.",
    labels: ["app"],
    *read(reading) {
      for (const { appId, buried } of reading.sender()?.apps ?? []) yield [buried, { app: appId }];
    },
  },
  ofSender(
    "gauge",
    "ringmaster_sender_slots",
    "Requests that this process makes at once.",
    (sender) => sender.slots,
  ),
  ofSender(
    "gauge",
    "ringmaster_sender_in_flight",
    "Requests under way.",
    (sender) => sender.inFlight,
  ),
  ofSender(
    "gauge",
    "ringmaster_sender_open_breakers",
    "Webhooks that are broken off for failing: nothing is sent to them but probes.",
    (sender) => sender.openBreakers,
  ),
  ofSender(
    "counter",
    "ringmaster_sender_leases_lost_total",
    "Leases that ended before their delivery did: what was sent is sent again, under the same id.",
    (sender) => sender.leasesLost,
  ),
  histogram(
    "ringmaster_sender_attempt_seconds",
    "Duration of attempts that the receiver is to answer for.",
    (reading) => reading.sender()?.attemptSeconds,
  ),
  histogram(
    "ringmaster_sender_delivery_age_seconds",
    "From the making of a webhook to its delivery.",
    (reading) => reading.sender()?.deliveryAgeSeconds,
  ),
];

function ofPackager(
  type: Metric["type"],
  name: string,
  help: string,
  read: (figures: NonNullable<ReturnType<Reading["packager"]>>) => number,
): Metric {
  return ofKnown(type, name, help, (reading) => reading.packager(), read);
}

function ofSender(
  type: Metric["type"],
  name: string,
  help: string,
  read: (figures: NonNullable<ReturnType<Reading["sender"]>>) => number,
): Metric {
  return ofKnown(type, name, help, (reading) => reading.sender(), read);
}

/** Of this process's sender. */
function histogram(
  name: string,
  help: string,
  read: (reading: Reading) => HistogramFigures | undefined,
): Metric {
  return {
    type: "histogram",
    name,
    help,
    labels: ["sender_version", "le"],
    *read(reading): Iterable<Sample> {
      const figures = read(reading);
      if (figures === undefined) return;
      const version = { sender_version: reading.version };
      let below = 0;
      for (const [i, count] of figures.counts.entries()) {
        below += count;
        yield [below, { ...version, le: String(figures.bounds[i] ?? "+Inf") }, "_bucket"];
      }
      yield [figures.sum, version, "_sum"];
      yield [below, version, "_count"];
    },
  };
}
