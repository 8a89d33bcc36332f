import { GIVEN_BACK } from "./delivery.ts";
import type { SenderDependencies } from "./dependencies.ts";
import { logFields, type EndedAttempt } from "./ended-attempt.ts";
import { faultOf } from "./fault.ts";
import { ATTEMPT_SECONDS, DELIVERY_AGE_SECONDS } from "./figures.ts";
import { Histogram } from "./histogram.ts";
import type { JobOutcome } from "./ports/job-queue.ts";
import type { QueueOutage } from "./queue-outage.ts";
import { retryAfterMs } from "./retry-after.ts";
import { retryDelayMs } from "./retry-policy.ts";

/**
 * How long a fault of ours must have been seen to last before a job is given up for its age: a wall clock that was set wrong
 * makes every job look old.
 */
const PROOF_MS = 5 * 60 * 1_000;
const GONE = 410;
const DELIVERED: JobOutcome = { kind: "delivered" };

/** Decides what an attempt means: for its job, and for the endpoint. */
export class Judge {
  readonly attemptSeconds = new Histogram(ATTEMPT_SECONDS);
  readonly deliveryAgeSeconds = new Histogram(DELIVERY_AGE_SECONDS);
  readonly #dependencies: SenderDependencies;
  readonly #outage: QueueOutage;

  constructor(dependencies: SenderDependencies, outage: QueueOutage) {
    this.#dependencies = dependencies;
    this.#outage = outage;
  }

  judge(attempt: EndedAttempt): JobOutcome {
    switch (faultOf(attempt.result)) {
      case "nobody":
        return this.#delivered(attempt);
      case "receiver":
        return this.#failed(attempt);
      case "configuration":
        return this.#misconfigured(attempt);
      case "ours":
        return this.#hindered(attempt);
    }
  }

  #delivered({ delivery, durationMs, ageMs }: EndedAttempt): JobOutcome {
    const { lane, job, isProbe } = delivery;
    this.attemptSeconds.observe(durationMs / 1_000);
    this.deliveryAgeSeconds.observe(ageMs / 1_000);
    lane.limit.succeeded();
    lane.ownFaults.ended();
    if (lane.breaker.succeeded(isProbe)) {
      const { appId, webhookId } = job;
      this.#dependencies.logger.info({ appId, webhookId }, "a webhook's endpoint is back");
    }
    return DELIVERED;
  }

  #failed(attempt: EndedAttempt): JobOutcome {
    const { clock, logger, random } = this.#dependencies;
    const { delivery, reply, durationMs, endedAtMs } = attempt;
    const { lane, isProbe } = delivery;
    const isAnswer = reply.kind === "answer";
    this.attemptSeconds.observe(durationMs / 1_000);
    lane.limit.failed();
    lane.ownFaults.ended();
    if (lane.breaker.failed(isProbe, !isAnswer, endedAtMs, random()))
      logger.warn(logFields(attempt), "a webhook's endpoint keeps failing, and is left alone");
    if (isProbe) void this.#expire(attempt);
    if (isAnswer && reply.status === GONE) void this.#pause(attempt);

    const attempts = delivery.attempts + 1;
    const spentMs = delivery.spentMs + durationMs;
    const askedMs = isAnswer ? retryAfterMs(reply.retryAfter, clock.now()) : undefined;
    const { retryWindowMs } = delivery.job;
    const failed = { attempts, spentMs, retryWindowMs, retryAfterMs: askedMs };
    const delayMs = retryDelayMs(failed, random());
    if (delayMs !== undefined) return { kind: "retry", delayMs, spentMs: spentMs + delayMs };

    const what = isAnswer ? `status ${reply.status}` : attempt.result;
    const tried = attempts === 1 ? "once" : `${attempts} times in ${seconds(spentMs)}`;
    return this.#bury(attempt, `${what}, tried ${tried}`, attempts, spentMs);
  }

  /** The guard refuses the address, now and a second later: that is for people to put right. */
  #misconfigured(attempt: EndedAttempt): JobOutcome {
    const { lane, isProbe, attempts, spentMs } = attempt.delivery;
    lane.ownFaults.ended();
    lane.breaker.toldNothing(isProbe);
    const detail = attempt.reply.kind === "failure" ? attempt.reply.detail : "";
    return this.#bury(attempt, `the address is not allowed: ${detail}`, attempts, spentMs);
  }

  #hindered(attempt: EndedAttempt): JobOutcome {
    const { delivery, result, ageMs, endedAtMs } = attempt;
    const { lane, isProbe, attempts, spentMs } = delivery;
    lane.breaker.toldNothing(isProbe);
    if (result === "shutdown") return GIVEN_BACK;
    const { settings, random } = this.#dependencies;
    const proofMs = Math.min(PROOF_MS, settings.maxJobAgeMs);
    // Burying makes nobody wait: the next job, which may be as old, is tried at once.
    if (ageMs >= settings.maxJobAgeMs && lane.ownFaults.lastedMs(endedAtMs) >= proofMs) {
      const reason = `could not be sent from here (${result}), ${seconds(ageMs)} old`;
      return this.#bury(attempt, reason, attempts, spentMs);
    }
    return { kind: "returned", delayMs: lane.ownFaults.failed(endedAtMs, random()) };
  }

  #bury(attempt: EndedAttempt, reason: string, attempts: number, spentMs: number): JobOutcome {
    attempt.delivery.lane.app.buried++;
    this.#dependencies.logger.warn(logFields(attempt), "a webhook was given up");
    return { kind: "buried", reason, attempts, spentMs };
  }

  /** What has waited for the endpoint longer than its window is not kept for it to come back some day. */
  async #expire(attempt: EndedAttempt): Promise<void> {
    const { clock, queue, logger } = this.#dependencies;
    const { lane } = attempt.delivery;
    const downMs = attempt.endedAtMs - (lane.breaker.openSinceMs ?? attempt.endedAtMs);
    // Counted back from now: a wall clock that was set meanwhile has made nobody wait longer.
    const sinceMs = Math.round(clock.now() - downMs);
    const reason = `the endpoint has been down for ${seconds(downMs)}`;
    try {
      const buried = await queue.expire(lane.endpointId, sinceMs, reason);
      if (buried === 0) return;
      lane.app.buried += buried;
      logger.warn({ ...logFields(attempt), jobs: buried }, "webhooks were given up");
    } catch (error) {
      this.#outage.failed(error);
    }
  }

  async #pause(attempt: EndedAttempt): Promise<void> {
    const { queue, logger } = this.#dependencies;
    const { lane, startedAtMs } = attempt.delivery;
    if (startedAtMs <= lane.pausedAtMs) return;
    lane.pausedAtMs = attempt.endedAtMs;
    logger.warn(
      logFields(attempt),
      "a webhook's endpoint says that it is gone; its webhooks wait until somebody resumes it",
    );
    try {
      await queue.pause(lane.endpointId, "410 Gone");
    } catch (error) {
      this.#outage.failed(error);
    }
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
