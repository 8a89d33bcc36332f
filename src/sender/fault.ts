import type { AttemptResult } from "./ports/delivery-log.ts";
import type { WebhookReply } from "./transport.ts";

/**
 * Whose fault it is that an attempt failed. It decides what the attempt costs:
 *
 *   receiver       an attempt that counts; tried again while the retry window lasts.
 *   configuration  can never succeed as it is: buried at once.
 *   ours           costs the receiver nothing: tried again however often it takes.
 */
export type Fault = "nobody" | "receiver" | "configuration" | "ours";

const FAULT_OF: Readonly<Record<AttemptResult, Fault>> = {
  delivered: "nobody",
  status: "receiver",
  timeout: "receiver",
  refused: "receiver",
  connection: "receiver",
  tls: "receiver",
  address: "configuration",
  dns: "ours",
  egress: "ours",
  shutdown: "ours",
};

export function faultOf(result: AttemptResult): Fault {
  return FAULT_OF[result];
}

export function resultOf(reply: WebhookReply): AttemptResult {
  if (reply.kind === "failure") return reply.result;
  return reply.status >= 200 && reply.status < 300 ? "delivered" : "status";
}
