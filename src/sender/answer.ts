import type { Answer } from "./http/response-parser.ts";
import type { WebhookReply } from "./transport.ts";

// Characters that would break a line of a log, or turn the writing of a terminal or a page round.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

export function replyOf({ status, retryAfter, beginning }: Answer): WebhookReply {
  const snippet = status >= 200 && status < 300 ? "" : snippetOf(beginning);
  return { kind: "answer", status, retryAfter, snippet };
}

function snippetOf(beginning: Uint8Array): string {
  if (beginning.length === 0) return "";
  // Of a character that is cut in two, the decoder holds the first half back.
  const text = new TextDecoder().decode(beginning, { stream: true });
  return text.replaceAll(UNPRINTABLE, " ").trim();
}
