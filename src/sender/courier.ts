import type { Delivery } from "./delivery.ts";
import type { SenderDependencies } from "./dependencies.ts";
import { logFields, statusOf, type EndedAttempt } from "./ended-attempt.ts";
import { resultOf } from "./fault.ts";
import type { Lanes } from "./lanes.ts";
import type { WebhookReply } from "./transport.ts";

/** Makes the attempts, and records each. */
export class Courier {
  readonly #dependencies: SenderDependencies;
  readonly #lanes: Lanes;

  constructor(dependencies: SenderDependencies, lanes: Lanes) {
    this.#dependencies = dependencies;
    this.#lanes = lanes;
  }

  /** The delivery holds its slot until the request has ended, and no longer. Never rejects. */
  async attempt(delivery: Delivery): Promise<EndedAttempt> {
    const { clock } = this.#dependencies;
    const { job, lane } = delivery;
    delivery.startedAtMs = clock.elapsedMs();
    const startedAtWallMs = clock.now();
    delivery.isProbe = this.#lanes.begin(lane, delivery.startedAtMs);
    const reply = await this.#send(delivery);
    const endedAtMs = clock.elapsedMs();
    this.#lanes.end(lane, endedAtMs);
    const attempt: EndedAttempt = {
      delivery,
      reply,
      result: resultOf(reply),
      durationMs: Math.round(endedAtMs - delivery.startedAtMs),
      ageMs: Math.max(0, clock.now() - job.createdAtMs),
      endedAtMs,
    };
    lane.app.attempts[attempt.result]++;
    this.#record(attempt, startedAtWallMs);
    return attempt;
  }

  #send({ job }: Delivery): Promise<WebhookReply> {
    // A transport does not reject. If it does, that is ours, and must cost neither the slot nor the job.
    return this.#dependencies.transport.send(job).catch((error: unknown) => {
      this.#dependencies.logger.error({ jobId: job.id, err: error }, "the transport failed");
      return { kind: "failure", result: "egress", detail: "the transport failed" };
    });
  }

  #record(attempt: EndedAttempt, atMs: number): void {
    const { log, logger, senderVersion } = this.#dependencies;
    const { delivery, reply, result, durationMs, ageMs } = attempt;
    const { id: jobId, appId, webhookId, events } = delivery.job;
    const isDelivered = result === "delivered";
    if (!isDelivered) logger.debug(logFields(attempt), "an attempt failed");
    try {
      log.record({
        atMs,
        appId,
        webhookId,
        jobId,
        events,
        attempt: delivery.attempts + 1,
        result,
        status: statusOf(attempt),
        durationMs,
        ageMs,
        detail: isDelivered ? null : reply.kind === "answer" ? reply.snippet : reply.detail,
        senderVersion,
      });
    } catch (error) {
      // People look at it; no delivery depends on it.
      logger.error({ jobId, err: error }, "could not record an attempt");
    }
  }
}
