import { describe, expect, test } from "bun:test";
import { ResponseParser } from "../../../src/sender/http/response-parser.ts";

function parsed(text: string, isClosed = false): ResponseParser {
  const parser = new ResponseParser();
  parser.push(Buffer.from(text, "latin1"));
  if (isClosed) parser.close();
  return parser;
}

/** `200 body`, with `…` where the connection can serve no more; or the fault; or nothing while it is not over. */
function outcomeOf(parser: ResponseParser): string | undefined {
  if (!parser.isOver) return undefined;
  if (parser.fault !== undefined) return parser.fault;
  const { status, beginning } = parser.answer;
  return `${status} ${Buffer.from(beginning).toString("latin1")}${parser.isReusable ? "" : "…"}`;
}

const OK = "HTTP/1.1 200 OK\r\n";
const NO_HTTP = "what came is no HTTP";
const NO_CHUNKS = "the answer's chunks are none";
const NO_LENGTH = "the answer has no valid content-length";

describe("an answer", () => {
  test.each<[string, string]>([
    [`${OK}Content-Length: 2\r\n\r\nok`, "200 ok"],
    [`${OK}content-LENGTH:2\r\n\r\nok`, "200 ok"],
    ["HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 "],
    ["HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 "],
    [`${OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok`, "200 ok"],
    [`${OK}Content-Length: 2, 2\r\n\r\nok`, "200 ok"],
    [`${OK}Content-Length: 0002\r\n\r\nok`, "200 ok"],
    ["HTTP/1.1 404 \xfc\nContent-Length: 0\n\n", "404 "],
    [`${OK}Connection: close\r\nContent-Length: 0\r\n\r\n`, "200 …"],
    [`${OK}Connection: Foo, CLOSE\r\nContent-Length: 0\r\n\r\n`, "200 …"],
    [`${OK}Connection: foo\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, "200 …"],
    ["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 …"],
    ["HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "200 "],
    [`${OK}Content-Length: 2\r\n\r\nok!`, "200 ok…"],
    [`${OK}Content-Length: 0\r\n\r\n${OK}`, "200 …"],
    ["HTTP/1.1 204 No\r\n\r\n", "204 "],
    ["HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "204 "],
    ["HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", "204 …"],
    ["HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", "204 …"],
    ["HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", "304 "],
    [
      `HTTP/1.1 100 Go\r\nX: 1\r\n\r\nHTTP/1.1 103 E\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
      "200 x",
    ],
    // What an earlier answer says is not the final one's.
    [
      `HTTP/1.1 103 E\r\nConnection: close\r\nContent-Length: 9\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
      "200 x",
    ],
    [`${OK}Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx`, "200 x"],
  ])("%j", (text, expected) => {
    expect(outcomeOf(parsed(text))).toBe(expected);
  });

  test.each<[string, string]>([
    ["2\r\nok\r\n0\r\n\r\n", "200 ok"],
    ["2\nok\n0\n\n", "200 ok"],
    ["2;a=b\r\nok\r\n1 ; c\r\n!\r\n0;z\r\n\r\n", "200 ok!"],
    ["A\r\n0123456789\r\n00\r\nX-Trailer: 1\r\nY: 2\r\n\r\n", "200 0123456789"],
    ["0\r\n\r\n", "200 "],
    ["0\r\n\r\nmore", "200 …"],
    ["\r\n", NO_CHUNKS],
    ["x\r\n", NO_CHUNKS],
    ["-1\r\n", NO_CHUNKS],
    ["0x2\r\nok\r\n", NO_CHUNKS],
    ["2\r\nok?\r\n", NO_CHUNKS],
    ["fffffffffffff\r\n", NO_CHUNKS],
    [`2;${"a".repeat(300)}\r\nok\r\n`, NO_CHUNKS],
    [`0\r\nX: ${"a".repeat(5_000)}\r\n\r\n`, NO_CHUNKS],
  ])("in chunks %j", (chunks, expected) => {
    expect(outcomeOf(parsed(`${OK}Transfer-Encoding: Chunked\r\n\r\n${chunks}`))).toBe(expected);
  });

  test.each<[string, string]>([
    ["Transfer-Encoding: gzip, chunked\r\n", "200 ok"],
    ["Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "200 ok"],
    // Two who read along may see its end at different places.
    ["Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "200 ok…"],
  ])("in chunks, with %j, ends with the last chunk", (headers, expected) => {
    expect(outcomeOf(parsed(`${OK}${headers}\r\n2\r\nok\r\n0\r\n\r\n`))).toBe(expected);
  });

  test.each([
    `${OK}\r\nok`,
    "HTTP/1.0 200 OK\r\n\r\nok",
    `${OK}Transfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nok`,
  ])("%j ends with the connection", (text) => {
    expect(outcomeOf(parsed(text))).toBeUndefined();
    expect(outcomeOf(parsed(text, true))).toBe("200 ok…");
  });

  test.each<[string, string]>([
    ["SSH-2.0-OpenSSH\r\n", NO_HTTP],
    ["HTTP/2.0 200 OK\r\n", NO_HTTP],
    ["HTTP/1.2 200 OK\r\n", NO_HTTP],
    ["HTTP/1.1 099 OK\r\n", NO_HTTP],
    ["HTTP/1.1 20 OK\r\n", NO_HTTP],
    ["HTTP/1.1 2000 OK\r\n", NO_HTTP],
    ["HTTP/1.1  200 OK\r\n", NO_HTTP],
    ["http/1.1 200 OK\r\n", NO_HTTP],
    ["\r\nHTTP/1.1 200 OK\r\n", NO_HTTP],
    ["HTTP/1.1 200 O\0K\r\n", NO_HTTP],
    [`${OK}X-A: 1\r\n 2\r\n`, NO_HTTP],
    [`${OK}X-A : 1\r\n`, NO_HTTP],
    [`${OK}X-A\r\n`, NO_HTTP],
    [`${OK}: 1\r\n`, NO_HTTP],
    [`${OK}X-A: 1\rContent-Length: 5\r\n`, NO_HTTP],
    [`${OK}X-A: \0\r\n`, NO_HTTP],
    [`${OK}Content-Length: 2\r\nContent-Length: 3\r\n`, NO_LENGTH],
    [`${OK}Content-Length: 2, 3\r\n`, NO_LENGTH],
    [`${OK}Content-Length: -2\r\n`, NO_LENGTH],
    [`${OK}Content-Length: +2\r\n`, NO_LENGTH],
    [`${OK}Content-Length: 0x2\r\n`, NO_LENGTH],
    [`${OK}Content-Length: 2 2\r\n`, NO_LENGTH],
    [`${OK}Content-Length:\r\n`, NO_LENGTH],
    [`${OK}Content-Length: 9999999999999999\r\n`, NO_LENGTH],
    ["HTTP/1.1 101 Go\r\n\r\n", "it changed to another protocol"],
    ["HTTP/1.1 100 C\r\n\r\n".repeat(33), "it asked for patience too often"],
    [`${OK}${"X: 1\r\n".repeat(257)}`, "the answer has too many headers"],
    [`${OK}X: ${"a".repeat(16_400)}`, "the answer's headers are too large"],
    ["x".repeat(16_400), "the answer's headers are too large"],
    [`HTTP/1.1 100 ${"c".repeat(1_000)}\r\n\r\n`.repeat(20), "the answer's headers are too large"],
  ])("%j is none", (text, fault) => {
    expect(outcomeOf(parsed(text))).toBe(fault);
  });

  test.each([
    OK,
    `${OK}Content-Length: 3\r\n\r\nok`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`,
  ])("%j is owed the rest, and is none when the connection closes before", (text) => {
    expect(outcomeOf(parsed(text))).toBeUndefined();
    expect(outcomeOf(parsed(text, true))).toBe(
      "the connection was closed before the answer was complete",
    );
  });

  test("has a body of 64 KiB, and of a larger one the status and the first 512 bytes", () => {
    const most = "x".repeat(65_536);
    const whole = parsed(`${OK}Content-Length: 65536\r\n\r\n${most}`);
    expect([whole.isOver, whole.isReusable]).toEqual([true, true]);
    for (const head of [
      "Content-Length: 65537\r\n\r\n",
      "\r\n",
      "Transfer-Encoding: chunked\r\n\r\n10001\r\n",
    ]) {
      const parser = parsed(`${OK}${head}${most}`);
      expect(parser.isOver).toBe(false);
      expect(parser.push(Buffer.from("y"))).toBe(true);
      expect([parser.fault, parser.isWhole, parser.isReusable]).toEqual([undefined, false, false]);
      expect(parser.answer.beginning).toHaveLength(512);
    }
  });

  test("that is the same as the last means the same, and one that is not does not", () => {
    const parser = new ResponseParser();
    const say = (text: string): string | undefined => {
      parser.begin();
      parser.push(Buffer.from(text));
      return outcomeOf(parser);
    };
    const busy = "HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy";
    for (let time = 0; time < 3; time++) {
      expect(say(busy)).toBe("503 busy");
      expect([parser.answer.retryAfter, parser.hasBegun]).toEqual(["7", true]);
    }
    expect(say(`${OK}Content-Length: 0\r\n\r\n`)).toBe("200 ");
    expect(parser.answer.retryAfter).toBeNull();
    expect(say(busy.slice(0, -1))).toBeUndefined();
    expect(say(busy)).toBe("503 busy");
    expect(say(`${busy}!`)).toBe("503 busy…");
    expect(say(busy)).toBe("503 busy");
  });

  test("of short chunks without end costs no more than its bytes", () => {
    const parser = parsed(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
    const flood = Buffer.from("1\r\nx\r\n".repeat(70_000));
    const startedMs = performance.now();
    expect(parser.push(flood)).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(parser.fault).toBeUndefined();
  });
});
