import type { AttemptResult } from "./ports/delivery-log.ts";

export interface WebhookRequest {
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** From the call to the last byte of the answer that is read. */
  readonly timeoutMs: number;
}

export type WebhookReply =
  | {
      readonly kind: "answer";
      readonly status: number;
      /** The header as it came; null without one. */
      readonly retryAfter: string | null;
      /** The beginning of the body, for people; empty for a 2xx. */
      readonly snippet: string;
    }
  | {
      readonly kind: "failure";
      readonly result: Exclude<AttemptResult, "delivered" | "status">;
      readonly detail: string;
    };

/**
 * Sends one request to a customer's URL.
 *
 * Guarantees:
 * - It never rejects: whatever happens is a reply, within the timeout and a little.
 * - It never connects to an address that the guard refuses, follows no redirect, reads no more of a body than its cap, and
 *   speaks TLS only to who can prove the URL's name.
 * - The time that resolving a name takes is ours, and not in the timeout.
 */
export interface Transport {
  send(request: WebhookRequest): Promise<WebhookReply>;
  /** Breaks off what is under way: each gets the failure `shutdown`. */
  abort(): void;
}
