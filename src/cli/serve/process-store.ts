import type { Bus } from "../../channels/ports/bus.ts";
import type { Cache } from "../../channels/ports/cache.ts";
import type { EventLog as RecordedEventLog } from "../../channels/ports/event-log.ts";
import type { Roster } from "../../channels/ports/roster.ts";
import type { DatabaseFigures, EventFigures } from "../../ops/metrics/metric.ts";
import type { EventLog } from "../../packager/ports/event-log.ts";
import type { DeliveryLog } from "../../sender/ports/delivery-log.ts";
import type { Fleet } from "../../sender/ports/fleet.ts";
import type { JobDesk } from "../../sender/ports/job-desk.ts";
import type { JobQueue } from "../../sender/ports/job-queue.ts";
import type { RedisStoreFigures } from "../../stores/redis/store.ts";

/** What the channels ring stands on. */
export interface ChannelsStore {
  readonly bus: Bus;
  readonly roster: Roster;
  readonly cache: Cache;
  readonly events: RecordedEventLog;
}

/** Whatever the rings of one process stand on, be it its own or shared with others. */
export interface ProcessStore {
  /** Undefined in a process that serves no channels. */
  readonly channels: ChannelsStore | undefined;
  readonly events: EventLog;
  readonly queue: JobQueue;
  readonly desk: JobDesk;
  readonly deliveries: DeliveryLog;
  readonly fleet: Fleet;
  /** Whether what is in it outlives the process. */
  readonly isLasting: boolean;
  /** Why nobody should be sent here now. */
  troubles(): readonly string[];
  cacheBytes(): number;
  database(): DatabaseFigures | undefined;
  redis(): RedisStoreFigures | undefined;
  eventFigures(): Promise<EventFigures>;
  /** Says goodbye for a process before this one that could not. */
  takeOver(): Promise<void>;
  /** Rejects when something could not be written that nobody else will write. */
  close(): Promise<void>;
}
