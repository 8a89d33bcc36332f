import { perApp, type Metric } from "./metric.ts";

/** Of sockets, channels and the HTTP API. */
export const CHANNELS_METRICS: readonly Metric[] = [
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
];
