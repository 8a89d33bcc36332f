import type { Delivery } from "./delivery.ts";
import type { AttemptResult } from "./ports/delivery-log.ts";
import type { WebhookReply } from "./transport.ts";

export interface EndedAttempt {
  readonly delivery: Delivery;
  readonly reply: WebhookReply;
  readonly result: AttemptResult;
  readonly durationMs: number;
  /** From the making of the job until now. */
  readonly ageMs: number;
  /** In the clock's elapsed time. */
  readonly endedAtMs: number;
}

export function statusOf({ reply }: EndedAttempt): number | null {
  return reply.kind === "answer" ? reply.status : null;
}

/** For the log. Never the URL, a header, or a text that the receiver sent: they may hold secrets. */
export function logFields(attempt: EndedAttempt): object {
  const { job, attempts } = attempt.delivery;
  return {
    appId: job.appId,
    webhookId: job.webhookId,
    jobId: job.id,
    attempt: attempts + 1,
    result: attempt.result,
    status: statusOf(attempt),
  };
}
