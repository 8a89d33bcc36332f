import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { Ring, TEST_SETTINGS, settled } from "../../support/ring.ts";

const PING = '{"event":"pusher:ping","data":{}}';
const DAY_MS = 86_400_000;

describe("a silent client", () => {
  test("is asked for a sign of life after 45 seconds, and closed with 4201 after another 30", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    ring.clock.advance(44_999);
    expect(client.raw).toEqual([]);
    ring.clock.advance(1_001);
    expect(client.raw).toEqual([PING]);
    ring.clock.advance(28_500);
    expect(client.closed).toBeUndefined();
    ring.clock.advance(2_000);
    expect(client.closed).toEqual({ code: 4201, reason: "Pong reply not received" });
    expect(client.raw).toEqual([PING]);
  });

  test("that answers stays, for days, and is asked every 45 seconds", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    let pings = 0;
    for (let ms = 0; ms < 2 * DAY_MS; ms += 1_000) {
      ring.clock.advance(1_000);
      for (const frame of client.take()) {
        expect(frame).toBe(PING);
        pings++;
        client.send({ event: "pusher:pong", data: {} });
      }
    }
    expect(client.closed).toBeUndefined();
    expect(pings).toBeGreaterThan((2 * DAY_MS) / 47_000);
    expect(pings).toBeLessThanOrEqual((2 * DAY_MS) / 45_000);
  });

  test.each<
    [what: string, speak: (ring: Ring, client: Awaited<ReturnType<Ring["connect"]>>) => void]
  >([
    ["a message", (_ring, client) => client.subscribe("c")],
    ["nonsense", (_ring, client) => client.sendRaw("?")],
    ["a binary frame", (ring, client) => ring.gateway.receiveBinary(client.session)],
    ["a WebSocket ping or pong", (ring, client) => ring.gateway.heard(client.session)],
  ])("is taken for alive by %s", async (_what, speak) => {
    const ring = new Ring();
    const client = await ring.connect();
    ring.clock.advance(46_000);
    expect(client.take()).toEqual([PING]);
    speak(ring, client);
    client.take();
    ring.clock.advance(44_000);
    expect(client.closed).toBeUndefined();
    expect(client.events).not.toContain("pusher:ping");
    ring.clock.advance(2_000);
    expect(client.events).toContain("pusher:ping");
  });

  test("is not taken for alive because it is sent things", async () => {
    const ring = new Ring({ apps: [testApp({ subscriptionCount: false })] });
    const client = await ring.connect();
    client.subscribe("c");
    for (let s = 0; s < 77; s++) {
      ring.clock.advance(1_000);
      if (client.closed === undefined) await ring.publish("c");
    }
    expect(client.closed?.code).toBe(4201);
  });

  test("is found although the process stood still for longer than everything", async () => {
    const ring = new Ring();
    const [silent, answering] = await ring.connectMany(2);
    ring.clock.pause(1_000_000);
    ring.clock.advance(1_000);
    expect([silent!.raw, answering!.raw]).toEqual([[PING], [PING]]);
    answering!.send({ event: "pusher:pong", data: {} });
    ring.clock.advance(32_000);
    expect([silent!.closed?.code, answering!.closed]).toEqual([4201, undefined]);
  });

  test("is found whatever somebody does to the wall clock", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    ring.clock.jumpWall(-DAY_MS);
    ring.clock.advance(44_000);
    ring.clock.jumpWall(10 * DAY_MS);
    expect(client.raw).toEqual([]);
    ring.clock.advance(33_000);
    expect(client.closed?.code).toBe(4201);
  });

  test("is asked later where the process is set to, beyond the reach of the wheel", async () => {
    const ring = new Ring({
      settings: {
        websocket: { ...TEST_SETTINGS.websocket, pingAfterMs: 300_000, pongTimeoutMs: 90_000 },
      },
    });
    const client = await ring.connect();
    ring.clock.advance(299_000);
    expect(client.raw).toEqual([]);
    ring.clock.advance(2_000);
    expect(client.raw).toEqual([PING]);
    ring.clock.advance(88_000);
    expect(client.closed).toBeUndefined();
    ring.clock.advance(3_000);
    expect(client.closed?.code).toBe(4201);
  });
});

describe("a client of protocol 5", () => {
  test("is told in an error frame why it is closed, before the close frame", async () => {
    const ring = new Ring();
    const client = await ring.connect({ protocol: "5" });
    ring.clock.advance(77_000);
    expect(client.raw).toEqual([
      PING,
      '{"event":"pusher:error","data":{"code":4201,"message":"Pong reply not received"}}',
    ]);
    expect(client.closed).toEqual({ code: 4201, reason: "Pong reply not received" });
  });
});

describe("a client of protocol 4", () => {
  test("is asked with a WebSocket ping, and closed with 4201 when nothing comes", async () => {
    const ring = new Ring();
    const client = await ring.connect({ protocol: "4" });
    ring.clock.advance(46_000);
    expect([client.raw, client.socket.pings]).toEqual([[], 1]);
    ring.clock.advance(31_000);
    expect(client.closed?.code).toBe(4201);
  });

  test("that answers pings but says nothing of its own for a day is closed with 4202", async () => {
    const ring = new Ring();
    const client = await ring.connect({ protocol: "4" });
    let pings = 0;
    for (let ms = 0; ms < DAY_MS - 50_000; ms += 1_000) {
      ring.clock.advance(1_000);
      if (client.socket.pings > pings) {
        pings = client.socket.pings;
        ring.gateway.heard(client.session);
      }
    }
    expect(client.closed).toBeUndefined();
    for (let s = 0; s < 100; s++) {
      ring.clock.advance(1_000);
      ring.gateway.heard(client.session);
    }
    expect(client.closed).toEqual({ code: 4202, reason: "Closed after inactivity" });
    expect(client.events).toEqual(["pusher:error"]);
  });

  test("that says something now and then stays", async () => {
    const ring = new Ring();
    const client = await ring.connect({ protocol: "4" });
    for (let ms = 0; ms < 2 * DAY_MS; ms += 30_000) {
      ring.clock.advance(30_000);
      client.send({ event: "pusher:ping", data: {} });
    }
    expect(client.closed).toBeUndefined();
  });
});

test("closing one socket for its silence leaves the others on the wheel", async () => {
  const ring = new Ring();
  const clients = await ring.connectMany(200);
  for (const client of clients) client.subscribe("presence-c");
  await settled();
  for (let s = 0; s < 76; s++) {
    ring.clock.advance(1_000);
    for (const [i, client] of clients.entries()) {
      if (i % 2 === 0) client.send({ event: "pusher:ping", data: {} });
    }
  }
  expect(clients.map(({ closed }) => closed?.code)).toEqual(
    clients.map((_, i) => (i % 2 === 0 ? undefined : 4201)),
  );
});
