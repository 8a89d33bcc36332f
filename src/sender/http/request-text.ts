import type { Destination } from "../destination.ts";

/** A request as it goes over the wire. */
export interface RequestText {
  /** A string stands for its UTF-8 bytes. */
  readonly data: string | Uint8Array;
  readonly lengthBytes: number;
}

/** What HTTP itself asks for is ours to say: a job that says it too is not heard. */
const OURS = new Set([
  "host",
  "user-agent",
  "connection",
  "keep-alive",
  "content-length",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "expect",
]);
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i;
/** No control character, so no end of a line. */
const ASCII_VALUE = /^[\t\u0020-\u007e]*$/;
/** What is no byte cannot be sent. */
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

const INVALID = "\n";
const MAX_KNOWN_NAMES = 1_000;
/** By the name in a job: how the header begins on the wire; nothing where it is left out. */
const knownNames = new Map<string, string>();

/** The beginning that all requests to a URL have in common. */
export function openingOf({ target, host }: Destination, userAgent: string): string {
  return `POST ${target} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: ${userAgent}\r\nConnection: keep-alive\r\n`;
}

/** Undefined where a header is none: a foreign packager may have made the job. */
export function requestText(
  opening: string,
  authorization: string | undefined,
  headers: Readonly<Record<string, string>>,
  body: string,
): RequestText | undefined {
  let head = opening;
  let isAscii = true;
  for (const name in headers) {
    const value = headers[name] ?? "";
    const beginning = knownNames.get(name) ?? beginningOf(name);
    if (!ASCII_VALUE.test(value)) {
      if (!VALUE.test(value)) return undefined;
      isAscii = false;
    }
    if (beginning === INVALID) return undefined;
    if (beginning !== "") head += `${beginning}${value}\r\n`;
  }
  if (authorization !== undefined && headers["authorization"] === undefined)
    head += `Authorization: ${authorization}\r\n`;
  if (headers["accept"] === undefined) head += "Accept: */*\r\n";
  const bodyBytes = Buffer.byteLength(body);
  head += `Content-Length: ${bodyBytes}\r\n\r\n`;
  if (isAscii) return { data: head + body, lengthBytes: head.length + bodyBytes };
  const data = Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body)]);
  return { data, lengthBytes: data.length };
}

function beginningOf(name: string): string {
  const beginning = wireName(name);
  // Jobs of one packager have few names; one that invents them must not fill the memory.
  if (knownNames.size >= MAX_KNOWN_NAMES) knownNames.clear();
  knownNames.set(name, beginning);
  return beginning;
}

/** As most senders write it: there are receivers that look for `Content-Type` by the letter. */
function wireName(name: string): string {
  if (!NAME.test(name)) return INVALID;
  if (OURS.has(name.toLowerCase())) return "";
  return `${name.replace(/(?<=^|-)[a-z]/g, (letter) => letter.toUpperCase())}: `;
}
