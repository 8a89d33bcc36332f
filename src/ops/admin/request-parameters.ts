import { AdminFault } from "./admin-fault.ts";

const MAX_BODY_BYTES = 64 * 1024;
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** The parameters of a GET: its query, in which each name may stand once. */
export function queryParameters(query: URLSearchParams): Readonly<Record<string, string>> {
  const names = [...query.keys()];
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new AdminFault(400, `${repeated} is given twice`);
  return Object.fromEntries(query);
}

/** The parameters of a POST: a JSON object. */
export async function bodyParameters(request: Request): Promise<object> {
  // No form of a page can have this type.
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json *(;|$)/i.test(type)) {
    throw new AdminFault(415, "Send JSON, with content-type: application/json");
  }
  const bytes = await boundedBody(request);
  let parsed: unknown;
  try {
    parsed = JSON.parse(UTF8.decode(bytes));
  } catch {
    throw new AdminFault(400, "The body is not JSON");
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new AdminFault(400, "The body is not a JSON object");
  }
  return parsed;
}

async function boundedBody({ headers, body }: Request): Promise<Uint8Array> {
  const tooLarge = new AdminFault(413, `The body is larger than ${MAX_BODY_BYTES} bytes`);
  if (Number(headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
