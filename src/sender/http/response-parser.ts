import { ResponseHead } from "./response-head.ts";

/** What is read of an answer. */
export interface Answer {
  readonly status: number;
  /** The header as it came; null without one. */
  readonly retryAfter: string | null;
  /** The first bytes of the body. */
  readonly beginning: Uint8Array;
}

/** The status line and the headers, of all answers that come before the final one too. */
const MAX_HEAD_BYTES = 16 * 1_024;
const MAX_INFORMATIONAL = 32;
/** No more of a body is read. A receiver has nothing to say to us but its status. */
const MAX_BODY_BYTES = 64 * 1_024;
const MAX_CHUNK_LINE_BYTES = 256;
const MAX_TRAILER_BYTES = 4 * 1_024;
const BEGINNING_BYTES = 512;
const MAX_USUAL_BYTES = 1_024;

const CHUNK_LINE = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[^\0\r]*)?$/;
const NOTHING = new Uint8Array();

type State =
  | "status"
  | "headers"
  | "body"
  | "body-to-close"
  | "chunk-line"
  | "chunk"
  | "chunk-end"
  | "trailers"
  | "over";

/**
 * Reads one answer after another, from bytes that come in whatever pieces.
 *
 *   status ─▶ headers ─┬─▶ body (content-length) ──────────────────────────▶ over
 *     ▲          │     ├─▶ chunk-line ─▶ chunk ─▶ chunk-end ─┐              ▲
 *     └── 1xx ───┘     │       ▲  └─▶ trailers ──────────────┼──────────────┤
 *                      │       └─────────────────────────────┘              │
 *                      └─▶ body-to-close ────────── the connection closed ──┘
 *
 * It is over as well at the first fault, and when the body passes its cap. It never throws, and holds no more than a line and
 * the beginning of the body, whatever comes. Strict where two readers could understand an answer differently; lenient where
 * real servers are sloppy and only one meaning is left (`\n` for `\r\n`, no reason, a length said twice).
 */
export class ResponseParser {
  #state: State = "status";
  #fault: string | undefined;
  #isWhole = false;
  #hasBegun = false;

  /** Of a line that is not complete yet. */
  #partial = "";
  /** Of the part that is made of lines. */
  #lineBytes = 0;
  #informational = 0;
  readonly #head = new ResponseHead();

  #isReusable = false;
  /** Of the body or the chunk. */
  #leftBytes = 0;
  #bodyBytes = 0;
  #beginning: Uint8Array = NOTHING;

  /** The last answer that came in one piece and was all well: receivers say the same again and again. */
  #usual: { readonly bytes: Buffer; readonly answer: Answer } | undefined;

  /** It, where it came once more. */
  #repeated: Answer | undefined;

  /** Forgets the last answer. */
  begin(): void {
    this.#state = "status";
    this.#fault = undefined;
    this.#isWhole = false;
    this.#hasBegun = false;
    this.#repeated = undefined;
    this.#partial = "";
    this.#informational = 0;
    this.#lineBytes = 0;
    this.#beginning = NOTHING;
    this.#bodyBytes = 0;
    this.#isReusable = false;
  }

  /** A byte of the answer came. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Why there is no answer, once it is over; undefined where there is one. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Its end was read. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Another answer may follow on the same connection. */
  get isReusable(): boolean {
    return this.#isWhole && this.#isReusable;
  }

  get answer(): Answer {
    return (
      this.#repeated ?? {
        status: this.#head.status,
        retryAfter: this.#head.retryAfter,
        beginning: this.#beginning,
      }
    );
  }

  /** Returns whether the answer is over. What comes after that is not read. */
  push(piece: Buffer): boolean {
    const isFirst = !this.#hasBegun;
    if (isFirst && this.#usual?.bytes.equals(piece) === true)
      return this.#repeat(this.#usual.answer);
    if (piece.length > 0) this.#hasBegun = true;
    let at = 0;
    while (at < piece.length && this.#state !== "over")
      at = this.#readsData() ? this.#takeData(piece, at) : this.#takeLines(piece, at);
    // Who says more than was asked may have answered a request that was never made.
    if (at < piece.length) this.#isReusable = false;
    if (isFirst && this.isReusable && piece.length <= MAX_USUAL_BYTES)
      this.#usual = { bytes: Buffer.from(piece), answer: this.answer };
    return this.#state === "over";
  }

  #repeat(answer: Answer): boolean {
    this.#hasBegun = true;
    this.#repeated = answer;
    this.#isReusable = true;
    this.#complete();
    return true;
  }

  /** The connection has ended: so has the answer, well or not. */
  close(): void {
    if (this.#state === "over") return;
    if (this.#state === "body-to-close") this.#complete();
    else this.#fail("the connection was closed before the answer was complete");
  }

  #readsData(): boolean {
    return this.#state === "body" || this.#state === "chunk" || this.#state === "body-to-close";
  }

  /** Takes lines as long as the piece has them and they are what is to be read. Returns where it stopped. */
  #takeLines(piece: Buffer, from: number): number {
    // Most often a head is one piece. A window of what a line may be keeps a flood of short chunks linear.
    const windowBytes = this.#isInHead() ? MAX_HEAD_BYTES : MAX_CHUNK_LINE_BYTES;
    const text = piece.toString("latin1", from, Math.min(piece.length, from + windowBytes));
    let at = 0;
    while (at < text.length) {
      const end = text.indexOf("\n", at);
      const next = end === -1 ? text.length : end + 1;
      this.#lineBytes += next - at;
      if (this.#lineBytes > this.#maxLineBytes()) {
        this.#fail(
          this.#isInHead() ? "the answer's headers are too large" : "the answer's chunks are none",
        );
        return from + next;
      }
      const part = text.slice(at, end === -1 ? text.length : end);
      at = next;
      if (end === -1) {
        this.#partial += part;
        break;
      }
      const line = this.#partial === "" ? part : this.#partial + part;
      this.#partial = "";
      const state = this.#state;
      this.#takeLine(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (this.#state !== state && this.#state !== "headers") break;
    }
    return from + at;
  }

  #isInHead(): boolean {
    return this.#state === "status" || this.#state === "headers";
  }

  #maxLineBytes(): number {
    if (this.#isInHead()) return MAX_HEAD_BYTES;
    return this.#state === "trailers" ? MAX_TRAILER_BYTES : MAX_CHUNK_LINE_BYTES;
  }

  #takeLine(line: string): void {
    switch (this.#state) {
      case "status":
        this.#state = "headers";
        return this.#failIf(this.#head.takeStatusLine(line));
      case "headers":
        return line === "" ? this.#endHead() : this.#failIf(this.#head.takeHeader(line));
      case "chunk-line":
        return this.#takeChunkLine(line);
      case "chunk-end":
        if (line !== "") return this.#fail("the answer's chunks are none");
        return this.#expectChunkLine();
      case "trailers":
        if (line === "") this.#complete();
    }
  }

  #endHead(): void {
    if (this.#head.status < 200) return this.#endInformational();
    const { framing, isReusable } = this.#head.end();
    this.#isReusable = isReusable;
    switch (framing) {
      case "none":
        return this.#complete();
      case "chunks":
        return this.#expectChunkLine();
      case "length":
        this.#leftBytes = this.#head.lengthBytes;
        this.#state = "body";
        return;
      case "close":
        this.#leftBytes = Infinity;
        this.#state = "body-to-close";
    }
  }

  #endInformational(): void {
    if (this.#head.status === 101) return this.#fail("it changed to another protocol");
    if (++this.#informational > MAX_INFORMATIONAL)
      return this.#fail("it asked for patience too often");
    this.#state = "status";
  }

  #expectChunkLine(): void {
    this.#lineBytes = 0;
    this.#state = "chunk-line";
  }

  #takeChunkLine(line: string): void {
    const found = CHUNK_LINE.exec(line);
    if (found === null) return this.#fail("the answer's chunks are none");
    this.#leftBytes = Number.parseInt(found[1] ?? "", 16);
    this.#lineBytes = 0;
    this.#state = this.#leftBytes === 0 ? "trailers" : "chunk";
  }

  #takeData(piece: Buffer, from: number): number {
    const end = Math.min(piece.length, from + this.#leftBytes);
    const data = piece.subarray(from, end);
    if (this.#beginning.length < BEGINNING_BYTES) {
      const more = data.subarray(0, BEGINNING_BYTES - this.#beginning.length);
      this.#beginning = Buffer.concat([this.#beginning, more]);
    }
    this.#bodyBytes += data.length;
    this.#leftBytes -= data.length;
    if (this.#bodyBytes > MAX_BODY_BYTES) this.#state = "over";
    else if (this.#leftBytes === 0) {
      if (this.#state === "body") this.#complete();
      else this.#state = "chunk-end";
    }
    return end;
  }

  #complete(): void {
    this.#isWhole = true;
    this.#state = "over";
  }

  #failIf(fault: string | undefined): void {
    if (fault !== undefined) this.#fail(fault);
  }

  #fail(fault: string): void {
    this.#fault ??= fault;
    this.#state = "over";
  }
}
