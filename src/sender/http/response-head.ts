const MAX_HEADERS = 256;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\0\r]*)?$/;
/** No space before the colon, or before the name: the folding of old, which every reader understands differently. */
const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r]*$/;
const LENGTH = /^\d{1,15}$/;
const NO_HTTP = "what came is no HTTP";

/** How it is told where a body ends. */
export type Framing = "none" | "length" | "chunks" | "close";

/** The status line and the headers of one answer, line by line. What takes a line returns why it is none, if it is none. */
export class ResponseHead {
  #isHttp10 = false;
  #status = 0;
  #headers = 0;
  #retryAfter: string | null = null;
  #lengthBytes: number | undefined;
  #encodings = "";
  #connection = "";

  get status(): number {
    return this.#status;
  }

  /** As it came; null without one. */
  get retryAfter(): string | null {
    return this.#retryAfter;
  }

  /** Of the body, where its framing is by length. */
  get lengthBytes(): number {
    return this.#lengthBytes ?? 0;
  }

  takeStatusLine(line: string): string | undefined {
    const found = STATUS_LINE.exec(line);
    if (found === null) return NO_HTTP;
    this.#isHttp10 = found[1] === "0";
    this.#status = Number(found[2]);
    this.#headers = 0;
    this.#retryAfter = null;
    this.#lengthBytes = undefined;
    this.#encodings = "";
    this.#connection = "";
    return undefined;
  }

  takeHeader(line: string): string | undefined {
    if (++this.#headers > MAX_HEADERS) return "the answer has too many headers";
    if (!HEADER.test(line)) return NO_HTTP;
    const colon = line.indexOf(":");
    // Most headers are none of these already by their length.
    switch (colon) {
      case "connection".length:
        if (isNamed(line, "connection"))
          this.#connection += `,${line.slice(colon + 1).toLowerCase()}`;
        break;
      case "retry-after".length:
        if (isNamed(line, "retry-after")) this.#retryAfter ??= line.slice(colon + 1).trim();
        break;
      case "content-length".length:
        if (isNamed(line, "content-length")) return this.#takeLength(line.slice(colon + 1));
        break;
      case "transfer-encoding".length:
        if (isNamed(line, "transfer-encoding"))
          this.#encodings += `,${line.slice(colon + 1).toLowerCase()}`;
    }
    return undefined;
  }

  /** After the last line. Whether its connection may serve again, as far as the head says. */
  end(): { readonly framing: Framing; readonly isReusable: boolean } {
    const encodings = tokensOf(this.#encodings);
    const connection = tokensOf(this.#connection);
    const staysOpen =
      !connection.includes("close") && (!this.#isHttp10 || connection.includes("keep-alive"));
    const hasLength = this.#lengthBytes !== undefined;

    if (this.#status === 204 || this.#status === 304) {
      // Some send the body that they announce all the same.
      const announcesBody = encodings.length > 0 || (this.#status === 204 && this.lengthBytes > 0);
      return { framing: "none", isReusable: staysOpen && !announcesBody };
    }
    if (encodings.at(-1) === "chunked")
      // A length beside chunks promises nothing, and makes one wonder who else reads along.
      return { framing: "chunks", isReusable: staysOpen && !hasLength && !this.#isHttp10 };
    if (encodings.length > 0 || !hasLength) return { framing: "close", isReusable: false };
    return { framing: this.#lengthBytes === 0 ? "none" : "length", isReusable: staysOpen };
  }

  #takeLength(value: string): string | undefined {
    for (const part of value.split(",")) {
      const text = part.trim();
      const lengthBytes = LENGTH.test(text) ? Number(text) : NaN;
      this.#lengthBytes ??= lengthBytes;
      if (lengthBytes !== this.#lengthBytes) return "the answer has no valid content-length";
    }
    return undefined;
  }
}

function isNamed(line: string, name: string): boolean {
  return line.slice(0, name.length).toLowerCase() === name;
}

function tokensOf(list: string): readonly string[] {
  if (list === "") return [];
  return list
    .split(",")
    .map((token) => token.trim())
    .filter((token) => token !== "" && token !== "identity");
}
