import type { App } from "../../protocol/app.ts";
import type { Job } from "../../protocol/job.ts";
import type { Webhook } from "../../protocol/webhook.ts";
import type { EndpointState } from "../../sender/figures.ts";
import type { DeliveryLog } from "../../sender/ports/delivery-log.ts";
import type { Fleet } from "../../sender/ports/fleet.ts";
import type { JobDesk } from "../../sender/ports/job-desk.ts";

/** The apps as they are now. */
export interface Apps {
  byId(id: string): App | undefined;
  all(): Iterable<App>;
}

/** What the admin API shows and moves. */
export interface AdminSources {
  readonly apps: Apps;
  readonly desk: JobDesk;
  readonly deliveries: DeliveryLog;
  readonly fleet: Fleet;
  /** Undefined in a process that sends nothing. */
  readonly senderStates: (() => Iterable<EndpointState>) | undefined;
  /** A job with an event that the webhook wants, and an id that no job had. The app has a key that can sign it. */
  testJob(app: App, webhook: Webhook): Job;
  /** Wall time in milliseconds since the Unix epoch. */
  now(): number;
}
