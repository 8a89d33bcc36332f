import type { Attempt, AttemptResult } from "../../../sender/ports/delivery-log.ts";
import type { AttemptTally } from "../../../sender/ports/version-tally.ts";
import type { Reply } from "../connection.ts";

/** An attempt as it goes into the stream. What scripts look at is beside the JSON, and not in it once more. */
export function argumentsOf(attempt: Attempt): string[] {
  const { atMs, appId, webhookId, jobId, ...rest } = attempt;
  const failed = attempt.result === "delivered" ? "0" : "1";
  return [`${atMs}`, appId, webhookId, jobId, failed, JSON.stringify(rest)];
}

/** As the scripts answer it: time, app, webhook, job, the rest as JSON. */
export function attemptOf(fields: readonly Reply[]): Attempt {
  const [atMs, appId, webhookId, jobId, json] = fields.map(String);
  const rest = JSON.parse(json ?? "") as Omit<Attempt, "atMs" | "appId" | "webhookId" | "jobId">;
  return {
    atMs: Number(atMs),
    appId: appId ?? "",
    webhookId: webhookId ?? "",
    jobId: jobId ?? "",
    ...rest,
  };
}

/** As `tally-attempts` answers it. */
export function tallyOf(fields: readonly Reply[]): AttemptTally {
  const [result, durationMs, rest, count, firstAtMs, lastAtMs] = fields;
  const { senderVersion } = JSON.parse(`{${String(rest)}`) as Pick<Attempt, "senderVersion">;
  return {
    version: senderVersion,
    result: String(result) as AttemptResult,
    durationMs: Math.round(Number(durationMs)),
    count: Number(count),
    firstAtMs: Number(firstAtMs),
    lastAtMs: Number(lastAtMs),
  };
}
