import type { WebhookReply } from "./transport.ts";

/** No more of a body is read. A receiver has nothing to say to us but its status. */
const MAX_BODY_BYTES = 64 * 1_024;
const SNIPPET_BYTES = 512;

const NOTHING = new Uint8Array();
// Characters that would break a line of a log, or turn the writing of a terminal or a page round.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

export interface ReadAnswer {
  readonly reply: WebhookReply;
  /** The body was read to its end, so its connection may serve again. */
  readonly isWhole: boolean;
}

interface Beginning {
  readonly bytes: Uint8Array;
  readonly isWhole: boolean;
}

/** Reads a response to its end or to the cap, where it is given up. Rejects when the connection breaks before. */
export async function readAnswer(response: Response): Promise<ReadAnswer> {
  const { status, headers } = response;
  const { bytes, isWhole } = await readBody(response);
  const snippet = status >= 200 && status < 300 ? "" : snippetOf(bytes);
  const retryAfter = headers.get("retry-after");
  return { reply: { kind: "answer", status, retryAfter, snippet }, isWhole };
}

/** As a stream only where it must be: one costs more than the rest of the reading. */
async function readBody(response: Response): Promise<Beginning> {
  const { status, headers } = response;
  const length = headers.get("content-length");
  if (status === 204 || status === 304 || length === "0") return { bytes: NOTHING, isWhole: true };
  // Chunks come however long the header says the body is: a length beside them promises nothing.
  if (length !== null && Number(length) <= MAX_BODY_BYTES && !headers.has("transfer-encoding"))
    return { bytes: await response.bytes(), isWhole: true };
  return readCapped(response);
}

async function readCapped({ body }: Response): Promise<Beginning> {
  let bytes = NOTHING;
  let readBytes = 0;
  for await (const chunk of body ?? []) {
    if (bytes.length < SNIPPET_BYTES)
      bytes = Buffer.concat([bytes, chunk.subarray(0, SNIPPET_BYTES)]);
    readBytes += chunk.length;
    // Leaving the loop cancels the stream, which closes the connection.
    if (readBytes > MAX_BODY_BYTES) return { bytes, isWhole: false };
  }
  return { bytes, isWhole: true };
}

function snippetOf(beginning: Uint8Array): string {
  // Of a character that is cut in two, the decoder holds the first half back.
  const text = new TextDecoder().decode(beginning.subarray(0, SNIPPET_BYTES), { stream: true });
  return text.replaceAll(UNPRINTABLE, " ").trim();
}
