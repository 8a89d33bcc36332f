import type { Attempt } from "../../../sender/ports/delivery-log.ts";
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
