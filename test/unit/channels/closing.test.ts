import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { INCOMPLETE_GRACE_MS, Listener } from "../../../src/channels/listener.ts";
import type { App } from "../../../src/protocol/app.ts";
import { TroubledBus } from "../../support/doubles.ts";
import { Ring } from "../../support/ring.ts";
import { encodeQuery, signedQuery } from "../../support/signing.ts";

const BODY = JSON.stringify({ name: "e", channel: "c", data: "d" });

let ring: Ring;
let bus: TroubledBus;
let listener: Listener;
let port: number;
let clients: Client[];
beforeEach(() => {
  ring = new Ring({ bus: (inner) => new TroubledBus(inner) });
  bus = ring.bus as TroubledBus;
  listener = new Listener(ring.node, ring.gateway, ring.api);
  port = listener.listen({ host: "127.0.0.1", port: 0, tls: undefined });
  clients = [];
});
afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  await listener.destroy();
});

interface Client {
  readonly socket: Socket;
  received: string;
  readonly ended: Promise<void>;
}

function client(): Client {
  const socket = connect(port, "127.0.0.1");
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const made: Client = { socket, received: "", ended };
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => (made.received += bytes.toString("latin1")));
  clients.push(made);
  return made;
}

/** The head of a publish, signed. */
function head(app: App = ring.app): string {
  const path = `/apps/${app.id}/events`;
  const request = { method: "POST", path, query: [], body: BODY } as const;
  const query = encodeQuery(signedQuery(app.keys[0]!, request, ring.clock.now()));
  return `POST ${path}?${query} HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY.length}\r\n\r\n`;
}

/** What comes over the network is not in memory: it takes a moment. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(1);
}

function published(): number {
  return ring.node.tenant(ring.app).counters.eventsPublished;
}

function closing(): { isClosed: boolean } {
  const state = { isClosed: false };
  void listener.close().then(() => (state.isClosed = true));
  return state;
}

describe("a listener that closes", () => {
  test("answers a publish that came in whole, however long the store takes for it", async () => {
    bus.gate("publish").shut();
    const slow = client();
    slow.socket.write(head() + BODY);
    await until(() => bus.gate("publish").waiting === 1);
    const state = closing();
    for (let i = 0; i < 20; i++) {
      ring.clock.advance(INCOMPLETE_GRACE_MS);
      await Bun.sleep(1);
    }
    expect([state.isClosed, slow.received]).toEqual([false, ""]);
    bus.gate("publish").open();
    await slow.ended;
    expect(slow.received).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n\{\}$/s);
    expect(published()).toBe(1);
    await until(() => state.isClosed);
  });

  test("gives a request of which a part has come a moment to come in whole", async () => {
    const half = client();
    half.socket.write(head() + BODY.slice(0, 5));
    // Read: whatever comes behind it on another connection was answered.
    const other = client();
    other.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => other.received !== "");
    const state = closing();
    await other.ended;
    half.socket.write(BODY.slice(5));
    await half.ended;
    expect(half.received).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(published()).toBe(1);
    await until(() => state.isClosed);
  });

  test("cuts off one that does not, without having done anything of it", async () => {
    const half = client();
    half.socket.write(head() + BODY.slice(0, 5));
    const other = client();
    other.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => other.received !== "");
    const state = closing();
    await other.ended;
    await Bun.sleep(20);
    expect(state.isClosed).toBe(false);
    ring.clock.advance(INCOMPLETE_GRACE_MS);
    await half.ended;
    await until(() => state.isClosed);
    expect([half.received, published()]).toEqual(["", 0]);
  });

  test("cuts no publish off for the sake of one that stopped in the middle", async () => {
    bus.gate("publish").shut();
    const [half, slow] = [client(), client()];
    half.socket.write(head() + BODY.slice(0, 5));
    slow.socket.write(head() + BODY);
    await until(() => bus.gate("publish").waiting === 1);
    const state = closing();
    ring.clock.advance(10 * INCOMPLETE_GRACE_MS);
    await Bun.sleep(20);
    expect([state.isClosed, half.received, slow.received]).toEqual([false, "", ""]);
    bus.gate("publish").open();
    await slow.ended;
    expect(slow.received).toMatch(/^HTTP\/1\.1 200 OK/);
    while (!state.isClosed) {
      ring.clock.advance(100);
      await Bun.sleep(1);
    }
    await half.ended;
    expect([half.received, published()]).toEqual(["", 1]);
  });

  test("closes idle connections at once, and lets nobody in", async () => {
    const idle = client();
    idle.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => idle.received !== "");
    const state = closing();
    await idle.ended;
    await until(() => state.isClosed);
    const late = client();
    await late.ended;
    expect(late.received).toBe("");
  });
});

describe("a listener that dismisses its connections", () => {
  test("answers, and closes behind the answer: what was sent behind the request is not read", async () => {
    const [one, two] = [client(), client()];
    one.socket.write(head() + BODY);
    await until(() => one.received !== "");
    expect(one.received.toLowerCase()).not.toContain("connection: close");
    listener.dismiss();
    two.socket.write(head() + BODY);
    await two.ended;
    expect(two.received).toMatch(/^HTTP\/1\.1 200 OK\r\n(.*\r\n)?Connection: close\r\n/s);
    one.received = "";
    one.socket.write(head() + BODY);
    await one.ended;
    expect(one.received).toMatch(/Connection: close/);
    expect(published()).toBe(3);
  });
});
