import { parseJob, type ParsedJob } from "../../../protocol/job.ts";
import type { Reply } from "../connection.ts";

/** `1`, the JSON in one line, a line break and the body; or `0` and the JSON with the body in it. */
export function storedText(json: string, body: string | undefined): string {
  return body === undefined ? `0${json}` : `1${json}\n${body}`;
}

/** Its JSON, and its body where that stands beside it. */
export function partsOf(text: string): { readonly json: string; readonly body: string | null } {
  if (!text.startsWith("1")) return { json: text.slice(1), body: null };
  const end = text.indexOf("\n");
  return { json: text.slice(1, end), body: text.slice(end + 1) };
}

export function parseStored(text: Reply): ParsedJob {
  const { json, body } = partsOf(String(text));
  return parseJob(json, body);
}
