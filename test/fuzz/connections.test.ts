import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { Channels } from "../../src/channels/channels.ts";
import { systemClock } from "../../src/channels/ports/clock.ts";
import { FileAppStore } from "../../src/stores/file/app-store.ts";
import { MemoryBus } from "../../src/stores/memory/bus.ts";
import { MemoryCache } from "../../src/stores/memory/cache.ts";
import { MemoryRoster } from "../../src/stores/memory/roster.ts";
import { EventTape } from "../support/event-tape.ts";
import { testApp } from "../support/apps.ts";
import { TEST_SETTINGS } from "../support/ring.ts";
import { encodeQuery, signedQuery } from "../support/signing.ts";

/** Bytes, as they come over the wire from who knows no rules; a bystander on the same server must notice nothing. */

const MAX_FRAME_BYTES = 4_096;
const app = testApp({ subscriptionCount: false });
const key = app.keys[0]!;
const logged: string[] = [];
const errorsOnly = { debug: ignore, info: ignore, warn: note, error: note };

function note(_fields: object, message: string): void {
  logged.push(message);
}

function ignore(): void {}

let channels: Channels;
let port: number;
let bystander: WebSocket;
const heard: string[] = [];

beforeAll(async () => {
  const bus = new MemoryBus();
  channels = new Channels({
    settings: {
      ...TEST_SETTINGS,
      websocket: { ...TEST_SETTINGS.websocket, maxFrameBytes: MAX_FRAME_BYTES },
      http: { maxBodyBytes: 65_536 },
    },
    apps: new FileAppStore([app]),
    bus,
    roster: new MemoryRoster(bus, systemClock),
    cache: new MemoryCache(systemClock, 1 << 20),
    events: new EventTape(),
    clock: systemClock,
    log: errorsOnly,
  });
  port = channels.listen({ host: "127.0.0.1", port: 0, tls: undefined });
  bystander = new WebSocket(`ws://127.0.0.1:${port}/app/${key.key}?protocol=7`);
  const subscribed = new Promise<void>((resolve) => {
    bystander.addEventListener("message", ({ data }) => {
      heard.push(String(data));
      if (String(data).includes("connection_established")) {
        bystander.send('{"event":"pusher:subscribe","data":{"channel":"c"}}');
      }
      if (String(data).includes("subscription_succeeded")) resolve();
    });
  });
  await subscribed;
});

afterAll(() => channels.destroy());

let published = 0;

/** Publishes, and waits until the bystander has it. */
async function bystanderHears(): Promise<void> {
  const data = `${++published}`;
  const arrived = new Promise<void>((resolve) => {
    bystander.addEventListener("message", function hear({ data: text }) {
      if (!String(text).includes(`"data":"${data}"`)) return;
      bystander.removeEventListener("message", hear);
      resolve();
    });
  });
  const request = {
    method: "POST",
    path: `/apps/${app.id}/events`,
    query: [],
    body: JSON.stringify({ name: "e", channel: "c", data }),
  };
  const query = encodeQuery(signedQuery(key, request, Date.now()));
  const response = await fetch(`http://127.0.0.1:${port}${request.path}?${query}`, request);
  expect([response.status, await response.text()]).toEqual([200, "{}"]);
  await arrived;
}

/** One connection of bytes. What came back is kept; it is over when either side ends it. */
class Wire {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  received = Buffer.alloc(0);
  #look: () => void = () => undefined;

  constructor() {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("data", (data: Buffer) => {
      this.received = Buffer.concat([this.received, data]);
      this.#look();
    });
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Resolves when the text has come back; fails when the connection ends without it. */
  async answer(text: string): Promise<void> {
    const came = new Promise<void>((resolve) => {
      this.#look = () => this.received.includes(text) && resolve();
      this.#look();
    });
    const ended = this.closed.then(() => {
      if (!this.received.includes(text))
        throw new Error(`It ended without ${text}: ${this.received.toString("latin1")}`);
    });
    await Promise.race([came, ended]);
  }

  /** Ends our side, and waits until the other has ended too. */
  async end(): Promise<void> {
    this.socket.end();
    await this.closed;
  }
}

const UPGRADE = [
  `GET /app/${key.key}?protocol=7 HTTP/1.1`,
  "Host: ringmaster",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "",
  "",
].join("\r\n");

async function opened(): Promise<Wire> {
  const wire = new Wire();
  wire.send(UPGRADE);
  await wire.answer("connection_established");
  return wire;
}

interface WireFrame {
  readonly fin: boolean;
  readonly reserved: number;
  readonly opcode: number;
  readonly isMasked: boolean;
  readonly payload: Uint8Array;
  /** What the header says of the length, where that is a lie. */
  readonly claims: bigint | undefined;
}

const MASK = Buffer.from([1, 2, 3, 4]);

function encoded({ fin, reserved, opcode, isMasked, payload, claims }: WireFrame): Buffer {
  const length = claims ?? BigInt(payload.length);
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const mask = isMasked ? 0x80 : 0;
  const header = Buffer.alloc(10);
  header[0] = first;
  let size = 2;
  if (length < 126n) header[1] = mask | Number(length);
  else if (length < 65_536n) {
    header[1] = mask | 126;
    header.writeUInt16BE(Number(length), 2);
    size = 4;
  } else {
    header[1] = mask | 127;
    header.writeBigUInt64BE(length, 2);
    size = 10;
  }
  const body = isMasked ? payload.map((byte, i) => byte ^ MASK[i % 4]!) : payload;
  return Buffer.concat([header.subarray(0, size), isMasked ? MASK : Buffer.alloc(0), body]);
}

function textFrame(message: string | Uint8Array, changes: Partial<WireFrame> = {}): Buffer {
  const payload = typeof message === "string" ? Buffer.from(message) : message;
  return encoded({
    fin: true,
    reserved: 0,
    opcode: 1,
    isMasked: true,
    payload,
    claims: undefined,
    ...changes,
  });
}

const PING = textFrame('{"event":"pusher:ping","data":{}}');

test("a message in pieces, with a WebSocket ping between them, is one message", async () => {
  const wire = await opened();
  wire.send(textFrame('{"event":"pusher:', { fin: false }));
  wire.send(textFrame("hello", { opcode: 9 }));
  wire.send(textFrame('ping","da', { fin: false, opcode: 0 }));
  wire.send(textFrame('ta":{}}', { opcode: 0 }));
  await wire.answer('{"event":"pusher:pong","data":"{}"}');
  // The pong of the protocol below carries back what the ping said.
  expect(
    wire.received.includes(Buffer.concat([Buffer.from([0x8a, 5]), Buffer.from("hello")])),
  ).toBe(true);
  await wire.end();
  await bystanderHears();
});

test("a message that comes byte by byte is one message", async () => {
  const wire = await opened();
  wire.socket.setNoDelay(true);
  for (const byte of PING) wire.send(new Uint8Array([byte]));
  await wire.answer("pusher:pong");
  await wire.end();
});

test.each<[what: string, bytes: () => Uint8Array]>([
  ["not masked", () => textFrame("{}", { isMasked: false })],
  ["with reserved bits", () => textFrame("{}", { reserved: 7 })],
  ["of an unknown kind", () => textFrame("{}", { opcode: 3 })],
  ["of an unknown kind of control", () => textFrame("{}", { opcode: 0xf })],
  ["that continues nothing", () => textFrame("{}", { opcode: 0 })],
  [
    "that begins another inside one",
    () => Buffer.concat([textFrame("{", { fin: false }), textFrame("}")]),
  ],
  ["with a control message in pieces", () => textFrame("p", { opcode: 9, fin: false })],
  ["with a control message too long", () => textFrame("p".repeat(126), { opcode: 9 })],
  ["larger than allowed", () => textFrame("x".repeat(MAX_FRAME_BYTES + 1))],
  ["that claims 2^63 bytes", () => textFrame("x", { claims: 1n << 63n })],
  ["that claims 4 GB", () => textFrame("x", { claims: 1n << 32n })],
  [
    "that grows too large in pieces",
    () =>
      Buffer.concat([
        textFrame("x".repeat(4_000), { fin: false }),
        ...Array.from({ length: 10 }, () =>
          textFrame("x".repeat(4_000), { fin: false, opcode: 0 }),
        ),
      ]),
  ],
  ["that is not UTF-8", () => textFrame(new Uint8Array([0x22, 0xff, 0xfe, 0x22]))],
  ["with half a surrogate pair", () => textFrame(new Uint8Array([0xed, 0xa0, 0x80]))],
  ["that closes with half a code", () => textFrame(new Uint8Array([3]), { opcode: 8 })],
  ["that closes with a code of nobody's", () => textFrame(new Uint8Array([0, 7]), { opcode: 8 })],
])("a frame %s ends its own connection and no other", async (_what, bytes) => {
  const wire = await opened();
  wire.send(bytes());
  await wire.closed;
  await bystanderHears();
});

test("a binary frame is refused with a word, and the socket stays", async () => {
  const wire = await opened();
  wire.send(textFrame(new Uint8Array([0, 1, 2]), { opcode: 2 }));
  await wire.answer("Binary WebSocket frames are not supported");
  wire.send(PING);
  await wire.answer("pusher:pong");
  await wire.end();
});

test("a message of exactly the size that is allowed is read", async () => {
  const wire = await opened();
  const frame = '{"event":"pusher:ping","data":""}';
  wire.send(textFrame(frame.replace('""', `"${"x".repeat(MAX_FRAME_BYTES - frame.length)}"`)));
  await wire.answer("pusher:pong");
  await wire.end();
});

test("handshakes that stop half-way, and connections that say nothing, hurt nobody", async () => {
  const wires = Array.from({ length: 200 }, (_, i) => {
    const wire = new Wire();
    if (i > 0) wire.send(UPGRADE.slice(0, (i * 7) % (UPGRADE.length - 2)));
    return wire;
  });
  await bystanderHears();
  for (const wire of wires) wire.socket.destroy();
  await Promise.all(wires.map(({ closed }) => closed));
  await bystanderHears();
});

test("sockets that are cut in the middle of a frame leave nothing behind", async () => {
  const wires = await Promise.all(Array.from({ length: 50 }, opened));
  for (const wire of wires) {
    wire.send(textFrame('{"event":"pusher:subscribe","data":{"channel":"c"}}'));
    wire.send(PING.subarray(0, 5));
  }
  await Promise.all(wires.map((wire) => wire.answer("subscription_succeeded")));
  expect(channels.figures()[0]).toMatchObject({ connections: 51, subscriptions: 51 });
  for (const wire of wires) wire.socket.resetAndDestroy();
  await onlyTheBystander();
});

test("requests of every shape get an answer or an end, and hurt nobody", async () => {
  for (const request of [
    "GET / HTTP/1.0\r\n\r\n",
    `GET /apps/${app.id}/channels HTTP/1.0\r\n\r\n`,
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET http://elsewhere/apps/3/channels HTTP/1.1\r\nHost: x\r\n\r\n",
    `GET /apps/${app.id}/channels?${"a=b&".repeat(5_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    "GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /app/../../apps/3/events HTTP/1.1\r\nHost: x\r\n\r\n",
    `POST /apps/${app.id}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n`,
    `POST /apps/${app.id}/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n`,
    `POST /apps/${app.id}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef`,
    `POST /apps/${app.id}/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `POST /apps/${app.id}/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nshort`,
    UPGRADE.replace("Version: 13", "Version: 1"),
    UPGRADE.replace(/Sec-WebSocket-Key.*\r\n/, ""),
    UPGRADE.replace("?protocol=7", ""),
    UPGRADE.replace(key.key, "%"),
    UPGRADE.replace("GET", "POST"),
    `X: ${"y".repeat(100_000)}\r\n\r\n`,
    "\r\n\r\n",
    "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
  ]) {
    const wire = new Wire();
    wire.send(request);
    await wire.end();
    // An HTTP/1.0 client gives no Host, and is answered like any other.
    if (request.startsWith(`GET /apps/${app.id}/channels HTTP/1.0`)) {
      expect(wire.received.toString()).toContain("Missing parameter: auth_key");
    }
  }
  await bystanderHears();
  await onlyTheBystander();
});

test("2,000 connections of random bytes and mutated frames hurt nobody", async () => {
  const frame: fc.Arbitrary<WireFrame> = fc.record({
    fin: fc.boolean(),
    reserved: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.nat(7)),
    opcode: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 1, 1, 1) }, fc.nat(15)),
    isMasked: fc.oneof({ weight: 8, arbitrary: fc.constant(true) }, fc.constant(false)),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: "grapheme" }).map((said) => new Uint8Array(Buffer.from(said))),
      fc
        .constantFrom("pusher:ping", "pusher:subscribe", "client-x")
        .map(
          (event) =>
            new Uint8Array(
              Buffer.from(JSON.stringify({ event, data: { channel: "c" }, channel: "c" })),
            ),
        ),
    ),
    claims: fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    ),
  });
  const bytes = fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .array(frame, { minLength: 1, maxLength: 6 })
        .map((all) => Buffer.concat(all.map(encoded))),
    },
    fc.uint8Array({ maxLength: 300 }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ isOpen: fc.boolean(), bytes }), { minLength: 20, maxLength: 20 }),
      async (all) => {
        await Promise.all(
          all.map(async ({ isOpen, bytes: sent }) => {
            const wire = isOpen ? await opened() : new Wire();
            wire.send(sent);
            await wire.end();
          }),
        );
        await bystanderHears();
      },
    ),
    { numRuns: 100 },
  );
  await onlyTheBystander();
}, 60_000);

test("large floods of nonsense on one socket do not reach another", async () => {
  const wire = await opened();
  for (let i = 0; i < 200; i++) wire.send(textFrame(randomBytes(100).toString("base64")));
  wire.send(PING);
  await wire.answer("pusher:pong");
  await wire.end();
  await bystanderHears();
  expect(heard.filter((message) => message.includes("pusher:error"))).toEqual([]);
  expect(logged).toEqual([]);
});

/** Closed connections are told of in turns of the event loop; it takes a few. */
async function onlyTheBystander(): Promise<void> {
  for (let turn = 0; turn < 1_000; turn++) {
    const [figures] = channels.figures();
    if (figures!.connections === 1 && figures!.subscriptions === 1) return;
    await bystanderHears();
  }
  expect(channels.figures()[0]).toMatchObject({ connections: 1, subscriptions: 1 });
}
