import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { localTransport, outcomeOf, webhook } from "../../support/http-transport.ts";
import { Receiver, saying, type Heard } from "../../support/receiver.ts";

const TIMEOUT_MS = 250;
/** A machine that runs other tests may be late by this; under-way.test.ts is exact. */
const LATE_MS = 2_000;

/** Says the parts with pauses, for as long as somebody listens. */
function dripping(first: string, part: string, everyMs = 20): (heard: Heard) => void {
  return ({ socket }) => {
    socket.write(first);
    const drip = setInterval(() => socket.write(part), everyMs);
    socket.once("close", () => clearInterval(drip));
  };
}

/** Says the part as fast as it is taken. */
function flooding(first: string, part: string): (heard: Heard) => void {
  return ({ socket }) => {
    socket.write(first);
    const more = (): void => {
      if (!socket.destroyed) socket.write(part, () => setImmediate(more));
    };
    more();
  };
}

/** Says it, and ends the connection once that may have been read. */
function ending(text: string, end: (socket: Socket) => void): (heard: Heard) => void {
  return ({ socket }) => socket.write(text, () => setTimeout(end, 20, socket));
}

async function outcome(
  answer: (heard: Heard) => void,
  {
    onConnection = () => {},
    timeoutMs = 10_000,
  }: { readonly onConnection?: (socket: Socket) => void; readonly timeoutMs?: number } = {},
): Promise<{ outcome: string; tookMs: number; snippet: string }> {
  await using receiver = await Receiver.listen(answer, { onConnection });
  const transport = localTransport();
  const url = `http://hook.example.com:${receiver.port}/`;
  const startedMs = performance.now();
  const reply = await transport.send(webhook(url, { timeoutMs }));
  const tookMs = performance.now() - startedMs;
  expect(receiver.heard.length).toBeLessThanOrEqual(1);
  // An exchange that was given up, for whatever reason, holds no connection.
  if (reply.kind === "failure") await receiver.until(() => receiver.open === 0);
  return {
    outcome: outcomeOf(reply),
    tookMs,
    snippet: reply.kind === "answer" ? reply.snippet : "",
  };
}

describe("too late is a receiver that", () => {
  const OK = "HTTP/1.1 200 OK\r\n";
  test.each<[string, (heard: Heard) => void]>([
    ["says nothing", () => {}],
    ["drips its headers", dripping(OK, "X-Drip: 1\r\n")],
    ["drips its first line", dripping("H", "T")],
    ["drips a body that has a length", dripping(`${OK}Content-Length: 60000\r\n\r\n`, "x")],
    ["drips a body that has none", dripping(`${OK}\r\n`, "x")],
    ["drips chunks", dripping(`${OK}Transfer-Encoding: chunked\r\n\r\n`, "1\r\nx\r\n")],
    ["owes the rest of its body", saying(`${OK}Content-Length: 3\r\n\r\nok`)],
    ["owes the last chunk", saying(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`)],
    ["asks for patience", saying("HTTP/1.1 100 Continue\r\n\r\n")],
    ["asks for patience for ever", dripping("", "HTTP/1.1 102 Processing\r\n\r\n")],
    ["says something that is no HTTP yet", saying(new Uint8Array([0x15, 3, 1, 0, 2, 2, 0x46]))],
  ])("%s", async (_name, answer) => {
    const { outcome: ended, tookMs } = await outcome(answer, { timeoutMs: TIMEOUT_MS });
    expect(ended).toBe("failure timeout");
    expect(tookMs).toBeGreaterThanOrEqual(TIMEOUT_MS);
    expect(tookMs).toBeLessThan(TIMEOUT_MS + LATE_MS);
  });
});

describe("heard, and no further, is a receiver that", () => {
  const endless = "x".repeat(16_384);
  const chunk = `4000\r\n${endless}\r\n`;
  test.each<[string, (heard: Heard) => void, string]>([
    ["never ends its body", flooding("HTTP/1.1 200 OK\r\n\r\n", endless), "answer 200"],
    [
      "never ends its chunks",
      flooding("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", chunk),
      "answer 500",
    ],
    [
      "promises a short body and sends endless chunks",
      flooding("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", chunk),
      "answer 200",
    ],
    [
      "promises a gigabyte",
      flooding("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", endless),
      "answer 200",
    ],
  ])("%s", async (_name, answer, expected) => {
    const before = process.memoryUsage.rss();
    await using receiver = await Receiver.listen(answer);
    const url = `http://hook.example.com:${receiver.port}/`;
    const transport = localTransport();
    for (let i = 0; i < 5; i++)
      expect(outcomeOf(await transport.send(webhook(url)))).toBe(expected);
    // Given up each time: nobody reads on.
    await receiver.until(() => receiver.open === 0);
    expect(receiver.connections).toBe(5);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
  });

  test("answers with a large body has the beginning of it in the reply", async () => {
    const body = "0123456789".repeat(8_000);
    const { outcome: ended, snippet } = await outcome(
      saying(`HTTP/1.1 500 No\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    );
    expect(ended).toBe("answer 500");
    expect(snippet).toBe(body.slice(0, 512));
  });
});

describe("broken is the connection to a receiver that", () => {
  const close = (socket: Socket) => void socket.end();
  const reset = (socket: Socket) => void socket.resetAndDestroy();
  const half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
  test.each<[string, (heard: Heard) => void]>([
    ["closes instead of an answer", ({ socket }) => socket.end()],
    ["resets instead of an answer", ({ socket }) => socket.resetAndDestroy()],
    ["closes within its headers", ending("HTTP/1.1 200 OK\r\nX-A", close)],
    ["resets within its headers", ending("HTTP/1.1 200 OK\r\nX-A", reset)],
    ["closes within its body", ending(half, close)],
    ["resets within its body", ending(half, reset)],
    [
      "closes within a chunk",
      ending("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nha", close),
    ],
    ["speaks SSH", saying("SSH-2.0-OpenSSH_9.2\r\n\r\n")],
    ["speaks of another version", saying("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")],
    ["says only a body", ending("<html>hello</html>", close)],
    ["has three hundred headers", saying(`HTTP/1.1 200 OK\r\n${"X-A: 1\r\n".repeat(300)}\r\n`)],
    ["never ends its headers", flooding("HTTP/1.1 200 OK\r\n", `X-A: ${"a".repeat(8_000)}\r\n`)],
    ["floods with patience", flooding("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(500))],
    ["has one huge header", saying(`HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(16_384)}\r\n\r\n`)],
    ["folds a header", saying("HTTP/1.1 200 OK\r\nX-A: 1\r\n  2\r\nContent-Length: 0\r\n\r\n")],
    ["has a negative length", saying("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok")],
    [
      "has a length beyond numbers",
      saying("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    ],
    [
      "has two lengths",
      saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    ],
    [
      "has chunks of no size",
      saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n"),
    ],
    [
      "changes to another protocol",
      saying("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
    ],
  ])("%s", async (_name, answer) => {
    expect((await outcome(answer)).outcome).toBe("failure connection");
  });

  test.each<[string, (socket: Socket) => void]>([
    ["closes", (socket) => void socket.end()],
    ["resets", (socket) => void socket.resetAndDestroy()],
    ["speaks first, and no HTTP,", (socket) => void socket.write("220 mail.example ESMTP\r\n")],
  ])("%s as soon as it is connected to", async (_name, onConnection) => {
    expect((await outcome(() => {}, { onConnection })).outcome).toBe("failure connection");
  });
});

describe("understood is a receiver that", () => {
  const close = (socket: Socket) => void socket.end();
  test.each<[string, (heard: Heard) => void, string]>([
    [
      "answers before it has to",
      ending(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        () => {},
      ),
      "answer 200",
    ],
    ["speaks HTTP/1.0", ending("HTTP/1.0 200 OK\r\n\r\nok", close), "answer 200"],
    ["ends its body with the connection", ending("HTTP/1.1 200 OK\r\n\r\nok", close), "answer 200"],
    ["has 204 and no body", saying("HTTP/1.1 204 No Content\r\n\r\n"), "answer 204"],
    [
      "has 204 and says it has a body",
      saying("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
      "answer 204",
    ],
    [
      "has 204 and chunks",
      saying("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
      "answer 204",
    ],
    [
      "has 304 and the length of what it does not send",
      saying("HTTP/1.1 304 Same\r\nContent-Length: 50\r\n\r\n"),
      "answer 304",
    ],
    [
      "has large headers",
      saying(`HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(16_000)}\r\nContent-Length: 0\r\n\r\n`),
      "answer 200",
    ],
    [
      "says its length twice",
      saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
      "answer 200",
    ],
    ["gives no reason", saying("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), "answer 200"],
    [
      "has a status of its own",
      saying("HTTP/1.1 999 Mine\r\nContent-Length: 0\r\n\r\n"),
      "answer 999",
    ],
    [
      "ends its lines as Unix does",
      saying("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
      "answer 200",
    ],
  ])("%s", async (_name, answer, expected) => {
    expect((await outcome(answer)).outcome).toBe(expected);
  });

  test("compresses unasked is not unpacked", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(20_000_000));
    const before = process.memoryUsage.rss();
    const { outcome: ended } = await outcome(({ socket }) => {
      socket.write(
        `HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`,
      );
      socket.write(bomb);
    });
    expect(ended).toBe("answer 500");
    expect(process.memoryUsage.rss() - before).toBeLessThan(16 * 1024 * 1024);
  });

  test("says more than its answer is not believed the rest", async () => {
    const answer =
      "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    await using receiver = await Receiver.listen(saying(answer));
    const transport = localTransport();
    const url = `http://hook.example.com:${receiver.port}/`;
    for (let i = 0; i < 20; i++)
      expect(outcomeOf(await transport.send(webhook(url)))).toBe("answer 500");
    expect(receiver.connections).toBe(20);
  });
});

test("many that are silent end together, each when its own time is over", async () => {
  await using receiver = await Receiver.listen();
  const transport = localTransport();
  const url = `http://hook.example.com:${receiver.port}/`;
  const sends = Array.from({ length: 100 }, async (_, i) => {
    const timeoutMs = 100 + 5 * i;
    const startedMs = performance.now();
    const reply = await transport.send(webhook(url, { timeoutMs }));
    const lateMs = performance.now() - startedMs - timeoutMs;
    return { outcome: outcomeOf(reply), isOnTime: lateMs >= 0 && lateMs < LATE_MS };
  });
  for (const send of sends)
    expect(await send).toEqual({ outcome: "failure timeout", isOnTime: true });
  await receiver.until(() => receiver.open === 0);
});
