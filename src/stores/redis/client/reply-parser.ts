import type { Reply } from "../connection.ts";

/** An error among replies: whoever reads them decides what it means. */
export class ErrorReply {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export type ParsedReply = Reply | ErrorReply;

const CARRIAGE_RETURN = 0x0d;
const [PLUS, MINUS, COLON, DOLLAR, STAR] = [0x2b, 0x2d, 0x3a, 0x24, 0x2a];
const INCOMPLETE = Symbol("incomplete");

/**
 * Reads RESP2, the protocol of Redis, from pieces that end anywhere. A reply that is not whole yet is read again from its
 * beginning when more has come: what is published is small, and mostly comes whole.
 */
export class ReplyParser {
  readonly #onReply: (reply: ParsedReply) => void;
  #rest: Buffer = Buffer.alloc(0);
  #buffer: Buffer = this.#rest;
  #position = 0;
  /** Not worth to look before there is so much. */
  #neededBytes = 0;

  constructor(onReply: (reply: ParsedReply) => void) {
    this.#onReply = onReply;
  }

  /** Throws where it is no RESP2. */
  write(piece: Buffer): void {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    if (this.#rest.length < this.#neededBytes) return;
    this.#buffer = this.#rest;
    this.#position = 0;
    let read = 0;
    this.#neededBytes = 0;
    while (this.#position < this.#buffer.length) {
      const reply = this.#read();
      if (reply === INCOMPLETE) break;
      read = this.#position;
      this.#onReply(reply);
    }
    this.#rest = this.#buffer.subarray(read);
    if (this.#neededBytes > 0) this.#neededBytes -= read;
  }

  #read(): ParsedReply | typeof INCOMPLETE {
    const kind = this.#buffer[this.#position];
    const line = this.#line();
    if (line === undefined) return INCOMPLETE;
    switch (kind) {
      case PLUS:
        return line;
      case MINUS:
        return new ErrorReply(line);
      case COLON:
        return Number(line);
      case DOLLAR:
        return this.#bulk(Number(line));
      case STAR:
        return this.#list(Number(line));
      default:
        throw new Error(
          `no RESP2: a reply begins with ${JSON.stringify(String.fromCharCode(kind ?? 0))}`,
        );
    }
  }

  /** What stands behind the first byte, up to the end of the line. */
  #line(): string | undefined {
    const end = this.#buffer.indexOf(CARRIAGE_RETURN, this.#position);
    if (end === -1 || end + 2 > this.#buffer.length) return undefined;
    const line = this.#buffer.toString("latin1", this.#position + 1, end);
    this.#position = end + 2;
    return line;
  }

  #bulk(bytes: number): string | null | typeof INCOMPLETE {
    if (bytes < 0) return null;
    const end = this.#position + bytes;
    if (end + 2 > this.#buffer.length) {
      this.#neededBytes = end + 2;
      return INCOMPLETE;
    }
    const text = this.#buffer.toString("utf8", this.#position, end);
    this.#position = end + 2;
    return text;
  }

  #list(length: number): Reply | typeof INCOMPLETE {
    if (length < 0) return null;
    const list: Reply[] = [];
    for (let i = 0; i < length; i++) {
      const item = this.#read();
      if (item === INCOMPLETE) return INCOMPLETE;
      list.push(item instanceof ErrorReply ? item.message : item);
    }
    return list;
  }
}
