import { randomUUID } from "node:crypto";
import { JOB_VERSION, type Job } from "../src/protocol/job.ts";
import { sign } from "../src/protocol/signature.ts";
import { PUSHER_TIMEOUT_MS } from "../src/protocol/webhook.ts";
import { CREDENTIALS } from "./pusher-api.ts";

export interface JobFields {
  readonly appId: string;
  readonly webhookId: string;
  readonly url: string;
  readonly body: string;
  readonly retryWindowMs: number;
}

/** A job as the packager makes it, who signs. */
export function ringmasterJob({ body, ...fields }: JobFields): Job {
  const id = `job_${randomUUID().replaceAll("-", "")}`;
  return {
    version: JOB_VERSION,
    id,
    ...fields,
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-pusher-key": CREDENTIALS.key,
      "x-pusher-signature": sign(CREDENTIALS.secret, body),
      "webhook-id": id,
      "ringmaster-sequence": "1,2,3,4",
    },
    body,
    createdAtMs: Date.now(),
    events: ["client_event", "client_event", "client_event", "client_event"],
    timeoutMs: PUSHER_TIMEOUT_MS,
  };
}
