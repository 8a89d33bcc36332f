import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  ErrorReply,
  ReplyParser,
  type ParsedReply,
} from "../../../src/stores/redis/client/reply-parser.ts";
import type { Reply } from "../../../src/stores/redis/connection.ts";

function encoded(reply: Reply): string {
  if (reply === null) return "$-1\r\n";
  if (typeof reply === "number") return `:${reply}\r\n`;
  if (typeof reply === "string") return `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
  return `*${reply.length}\r\n${reply.map(encoded).join("")}`;
}

/** Where each piece ends. */
function parsed(bytes: Buffer, ends: readonly number[]): ParsedReply[] {
  const replies: ParsedReply[] = [];
  const parser = new ReplyParser((reply) => replies.push(reply));
  let from = 0;
  for (const end of [...ends.map((one) => one % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  )) {
    parser.write(bytes.subarray(from, end));
    from = end;
  }
  return replies;
}

const { reply } = fc.letrec<{ reply: Reply; items: readonly Reply[] }>((tie) => ({
  reply: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.integer(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("\r\n", "$3\r\nabc\r\n", "-ERR\r\n", ""),
    tie("items"),
  ),
  items: fc.array(tie("reply"), { maxLength: 4 }),
}));

describe("a parser of replies", () => {
  test("reads what was written, wherever the pieces end", () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 6 }), fc.array(fc.nat(500)), (replies, ends) => {
        expect(parsed(Buffer.from(replies.map(encoded).join("")), ends)).toEqual(replies);
      }),
    );
  });

  test("reads byte by byte", () => {
    const replies = [["smessage", "p:{1}:ü", "text\r\n"], "PONG", 7, null, []];
    const bytes = Buffer.from(replies.map(encoded).join(""));
    expect(parsed(bytes, [...bytes.keys()])).toEqual(replies);
  });

  test("tells errors from texts", () => {
    const [error, text] = parsed(Buffer.from("-MOVED 1 a:1\r\n+MOVED 1 a:1\r\n"), []);
    expect(error).toEqual(new ErrorReply("MOVED 1 a:1"));
    expect(text).toBe("MOVED 1 a:1");
  });

  test("throws at what is no RESP2", () => {
    expect(() => parsed(Buffer.from("HTTP/1.1 400 Bad Request\r\n"), [])).toThrow("no RESP2");
  });
});
