import type { Attempt } from "../../sender/ports/delivery-log.ts";
import type { DeadLetter } from "../../sender/ports/job-desk.ts";
import { AdminFault } from "./admin-fault.ts";
import type { AdminSources } from "./admin-sources.ts";
import { isoTime } from "./moment.ts";
import { ATTEMPTS_PARAMETERS, FAILED_PARAMETERS, checked } from "./parameters.ts";
import { shownUrl } from "./shown-url.ts";
import type { WebhookDirectory } from "./webhook-directory.ts";

/** An attempt as the admin API shows it. */
export interface ShownAttempt {
  readonly at: string;
  readonly app: string;
  readonly webhook: string;
  readonly job: string;
  readonly events: readonly string[];
  readonly attempt: number;
  readonly result: Attempt["result"];
  readonly status: number | null;
  readonly durationMs: number;
  readonly ageMs: number;
  readonly detail: string | null;
  readonly senderVersion: string;
}

/** A dead letter as the admin API shows it. Its headers stay here: some hold the receiver's passwords. */
export interface ShownDeadLetter {
  readonly job: string;
  readonly app: string;
  readonly webhook: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly createdAt: string;
  readonly buriedAt: string;
  readonly attempts: number;
  readonly reason: string;
  /** A customer's data: only where it was asked for. */
  readonly body?: string;
}

/** A body may have 200 KB: a thousand of them would stop everything else in this process for seconds. */
const MAX_LIMIT_WITH_BODIES = 50;

/** What was sent, and what could not be. */
export class WebhookHistory {
  readonly #sources: Pick<AdminSources, "desk" | "deliveries" | "now">;
  readonly #directory: WebhookDirectory;

  constructor(
    sources: Pick<AdminSources, "desk" | "deliveries" | "now">,
    directory: WebhookDirectory,
  ) {
    this.#sources = sources;
    this.#directory = directory;
  }

  /** Newest first. */
  async attempts(parameters: unknown): Promise<{ readonly attempts: readonly ShownAttempt[] }> {
    const wanted = checked(ATTEMPTS_PARAMETERS(this.#sources.now()), parameters);
    const filter = {
      ...(await this.#directory.filterOf(wanted)),
      jobId: wanted.job,
      failed: wanted.failed,
      sinceMs: wanted.since,
      untilMs: wanted.until,
    };
    const attempts = await this.#sources.deliveries.attempts(filter, wanted.limit);
    return { attempts: attempts.map(shownAttempt) };
  }

  /** Newest first. */
  async failed(parameters: unknown): Promise<{ readonly failed: readonly ShownDeadLetter[] }> {
    const wanted = checked(FAILED_PARAMETERS(this.#sources.now()), parameters);
    if (wanted.body && wanted.limit > MAX_LIMIT_WITH_BODIES) {
      throw new AdminFault(400, `limit must be at most ${MAX_LIMIT_WITH_BODIES} with body=true`);
    }
    const filter = {
      ...(await this.#directory.filterOf(wanted)),
      jobId: wanted.job,
      sinceMs: wanted.since,
      untilMs: wanted.until,
    };
    const letters = await this.#sources.desk.deadLetters(filter, wanted.limit);
    return { failed: letters.map((letter) => shownDeadLetter(letter, wanted.body)) };
  }
}

export function shownAttempt({ atMs, appId, webhookId, jobId, ...rest }: Attempt): ShownAttempt {
  const { events, attempt, result, status, durationMs, ageMs, detail, senderVersion } = rest;
  return {
    at: isoTime(atMs),
    app: appId,
    webhook: webhookId,
    job: jobId,
    events,
    attempt,
    result,
    status,
    durationMs,
    ageMs,
    detail,
    senderVersion,
  };
}

function shownDeadLetter(
  { job, reason, attempts, buriedAtMs }: DeadLetter,
  withBody: boolean,
): ShownDeadLetter {
  return {
    job: job.id,
    app: job.appId,
    webhook: job.webhookId,
    url: shownUrl(job.url),
    events: job.events,
    createdAt: isoTime(job.createdAtMs),
    buriedAt: isoTime(buriedAtMs),
    attempts,
    reason,
    ...(withBody ? { body: job.body } : {}),
  };
}
