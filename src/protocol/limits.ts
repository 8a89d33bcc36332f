/**
 * What one app may do. The defaults are Pusher's own limits; null means no limit.
 * Source: contract sections 1.10 to 1.14, 2 and 7.
 */
export interface AppLimits {
  /** Sockets open at once; one more is closed with 4004. */
  readonly connections: number | null;
  /** Channels that one socket may be subscribed to. The hosted server has no limit; ours protects the process. */
  readonly subscriptionsPerConnection: number | null;
  /** Characters, prefix included. Documented as 164, but every server library lets 200 pass. */
  readonly channelNameLength: number;
  /** Characters. */
  readonly eventNameLength: number;
  /** Bytes of one event's `data`, in UTF-8. */
  readonly eventBytes: number;
  /** Channels that one publish may name. */
  readonly channelsPerEvent: number;
  /** Events that one batch may hold. */
  readonly eventsPerBatch: number;
  /** Distinct users on one presence channel. */
  readonly presenceMembers: number;
  /** Bytes of one member's `user_info`, as JSON in UTF-8. */
  readonly presenceUserInfoBytes: number;
  /** Characters. */
  readonly userIdLength: number;
  /** Per socket; one more is refused with error 4301 and the socket stays open. */
  readonly clientEventsPerSecond: number | null;
  /** HTTP API requests of the app that this process takes; one more is answered 429. */
  readonly apiRequestsPerSecond: number | null;
  /** Users that one signed-in user may watch; the rest is ignored and reported with error 4302. */
  readonly watchlistUsers: number;
  /** How long a cache channel keeps its last event. */
  readonly cacheTtlMs: number;
}

export const PUSHER_LIMITS: AppLimits = {
  connections: null,
  subscriptionsPerConnection: 5_000,
  channelNameLength: 200,
  eventNameLength: 200,
  eventBytes: 10_240,
  channelsPerEvent: 100,
  eventsPerBatch: 10,
  presenceMembers: 100,
  presenceUserInfoBytes: 1_024,
  userIdLength: 128,
  clientEventsPerSecond: 10,
  apiRequestsPerSecond: null,
  watchlistUsers: 100,
  cacheTtlMs: 30 * 60 * 1_000,
};

/** Above this many subscribers, `subscription_count` is sent at most every `SUBSCRIPTION_COUNT_INTERVAL_MS`. */
export const SUBSCRIPTION_COUNT_EVERY_CHANGE_UP_TO = 100;
export const SUBSCRIPTION_COUNT_INTERVAL_MS = 5_000;
