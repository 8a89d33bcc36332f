import { describe, expect, test } from "bun:test";
import { admit, type Handshake } from "../../../src/channels/admission.ts";
import { testApp, VECTOR_KEY } from "../../support/apps.ts";
import { Ring, TEST_SETTINGS, settled } from "../../support/ring.ts";

function refusal(
  ring: Ring,
  handshake: Partial<Handshake>,
): { code: number; text: string; protocol: number } {
  const admission = admit(ring.node, {
    path: `/app/${VECTOR_KEY}`,
    query: [["protocol", "7"]],
    secure: false,
    origin: null,
    ...handshake,
  });
  if ("session" in admission) throw new Error("It was admitted.");
  return { ...admission.refusal.reason, protocol: admission.refusal.protocol };
}

describe("a handshake", () => {
  test.each(["4", "5", "6", "7"])(
    "of protocol %s is answered with a socket id and the timeout",
    async (protocol) => {
      const ring = new Ring();
      const client = ring.open({ protocol });
      await settled();
      expect(client.frames).toHaveLength(1);
      const [data] = client.data("pusher:connection_established");
      expect(data).toEqual({ socket_id: client.id, activity_timeout: 120 });
      expect(client.id).toMatch(/^\d+\.\d+$/);
    },
  );

  test("gives every socket an id of its own", async () => {
    const clients = await new Ring().connectMany(100);
    expect(new Set(clients.map(({ id }) => id)).size).toBe(100);
  });

  test.each<[what: string, handshake: Partial<Handshake>, code: number, text: string]>([
    ["another path", { path: "/nope" }, 4005, "Path not found"],
    ["no key", { path: "/app/" }, 4005, "Path not found"],
    ["a path that goes on", { path: `/app/${VECTOR_KEY}/x` }, 4005, "Path not found"],
    ["no protocol", { query: [] }, 4008, "No protocol version supplied"],
    [
      "a version but no protocol",
      { query: [["version", "7.0"]] },
      4008,
      "No protocol version supplied",
    ],
    ["an empty protocol", { query: [["protocol", ""]] }, 4008, "No protocol version supplied"],
    [
      "a protocol in words",
      { query: [["protocol", "seven"]] },
      4006,
      "Invalid version string format",
    ],
    [
      "a protocol with a point",
      { query: [["protocol", "7.0"]] },
      4006,
      "Invalid version string format",
    ],
    ["a negative protocol", { query: [["protocol", "-7"]] }, 4006, "Invalid version string format"],
    ["protocol 3", { query: [["protocol", "3"]] }, 4007, "Unsupported protocol version"],
    ["protocol 0", { query: [["protocol", "0"]] }, 4007, "Unsupported protocol version"],
    ["protocol 8", { query: [["protocol", "8"]] }, 4007, "Unsupported protocol version"],
    [
      "an unknown key",
      { path: "/app/X" },
      4001,
      "App key X not in this cluster. Did you forget to specify the cluster?",
    ],
    [
      "an unknown key, escaped",
      { path: "/app/a%20%zz" },
      4001,
      "App key a%20%zz not in this cluster. Did you forget to specify the cluster?",
    ],
  ])("with %s is refused", (_what, handshake, code, text) => {
    expect(refusal(new Ring(), handshake)).toMatchObject({ code, text });
  });

  test("with a key that is not active is as good as unknown", () => {
    const ring = new Ring({
      apps: [testApp({ keys: [{ key: VECTOR_KEY, secret: "s", active: false }] })],
    });
    expect(refusal(ring, {}).code).toBe(4001);
  });

  test("ignores query parameters that it does not know", async () => {
    const ring = new Ring();
    const admission = admit(ring.node, {
      path: `/app/${VECTOR_KEY}`,
      query: [
        ["client", "js"],
        ["version", "8.6.0"],
        ["flash", "false"],
        ["protocol", "7"],
        ["x", "'; DROP"],
      ],
      secure: false,
      origin: null,
    });
    expect("session" in admission).toBe(true);
  });

  test("for a disabled app is refused with 4003", () => {
    expect(refusal(new Ring({ apps: [testApp({ enabled: false })] }), {})).toMatchObject({
      code: 4003,
      text: "Application disabled",
    });
  });

  test("without TLS for an app that demands it is refused with 4000, and with TLS is not", async () => {
    const ring = new Ring({ apps: [testApp({ forceTls: true })] });
    expect(refusal(ring, {})).toMatchObject({
      code: 4000,
      text: "Application only accepts SSL connections, reconnect using wss://",
    });
    expect((await ring.connect({ secure: true })).closed).toBeUndefined();
  });

  test("from an origin that is not on the list is refused with 4009; from none it is not", async () => {
    const ring = new Ring({ apps: [testApp({ allowedOrigins: ["a.example.com"] })] });
    expect(refusal(ring, { origin: "https://b.example.com" })).toMatchObject({
      code: 4009,
      text: "Connection not authorized: origin not allowed",
    });
    expect((await ring.connect({ origin: "https://a.example.com" })).closed).toBeUndefined();
    expect((await ring.connect({ origin: null })).closed).toBeUndefined();
  });

  test("beyond what the process takes is refused with 4100", async () => {
    const ring = new Ring({ settings: { maxConnections: 2 } });
    const [first] = await ring.connectMany(2);
    expect(refusal(ring, {})).toMatchObject({ code: 4100, text: "Over capacity" });
    first!.leave();
    await settled();
    expect((await ring.connect()).closed).toBeUndefined();
  });
});

describe("a refusal", () => {
  test.each([
    ["6", []],
    ["7", []],
    ["8", []],
  ])("to protocol %s is the close frame alone", (protocol, frames) => {
    const ring = new Ring({ apps: [testApp({ enabled: false })] });
    const client = ring.open({ protocol });
    expect(client.raw).toEqual(frames);
    expect(client.closed!.code).toBe(protocol === "8" ? 4007 : 4003);
    expect(ring.leftovers()).toMatchObject({ sessions: 0 });
  });

  test.each(["4", "5"])("to protocol %s is an error frame before the close frame", (protocol) => {
    const ring = new Ring({ apps: [testApp({ enabled: false })] });
    const client = ring.open({ protocol });
    expect(client.raw).toEqual([
      '{"event":"pusher:error","data":{"code":4003,"message":"Application disabled"}}',
    ]);
    expect(client.closed).toEqual({ code: 4003, reason: "Application disabled" });
  });

  test("with a long key fits into a close frame", () => {
    const ring = new Ring();
    const key = { key: "ü".repeat(500), secret: "", active: true };
    const client = ring.open({ key });
    expect(client.closed!.code).toBe(4001);
    expect(Buffer.byteLength(client.closed!.reason)).toBeLessThanOrEqual(123);
  });
});

describe("the app's quota of connections", () => {
  test("closes one too many with 4004, and the first frame it gets is none", async () => {
    const ring = new Ring({ apps: [testApp({ limits: { connections: 2 } })] });
    const kept = await ring.connectMany(2);
    const third = ring.open();
    await settled();
    expect(third.raw).toEqual([]);
    expect(third.closed).toEqual({ code: 4004, reason: "Account over quota" });
    for (const client of kept) expect(client.closed).toBeUndefined();
  });

  test("has room again when a socket has gone", async () => {
    const ring = new Ring({ apps: [testApp({ limits: { connections: 1 } })] });
    const first = await ring.connect();
    expect((await ring.connect()).closed!.code).toBe(4004);
    first.drop();
    await settled();
    const second = await ring.connect();
    expect(second.closed).toBeUndefined();
    second.leave();
    await settled();
    expect(await ring.roster.holdConnections("3", 0)).toBe(0);
    expect(ring.node.tenants.get("3")!.quotaConnections).toBe(0);
  });

  test("is not held by one that was refused, however long its connection takes to end", async () => {
    const ring = new Ring({ apps: [testApp({ limits: { connections: 1 } })] });
    const first = await ring.connect();
    const refused = await ring.connect({ lingering: true });
    expect(refused.closed?.code).toBe(4004);
    first.leave();
    await settled();
    expect((await ring.connect()).closed).toBeUndefined();
  });

  test("is each app's own", async () => {
    const other = testApp({ id: "4", keys: [{ key: "other", secret: "s", active: true }] });
    const ring = new Ring({ apps: [testApp({ limits: { connections: 1 } }), other] });
    await ring.connect();
    for (const client of await ring.connectMany(3, { app: other }))
      expect(client.closed).toBeUndefined();
  });
});

describe("authorized connections", () => {
  const app = testApp({ authorizedConnections: true, limits: { connections: 1 } });

  test("count towards the quota only when they have shown who they are", async () => {
    const ring = new Ring({ apps: [app] });
    const [first, second, third] = await ring.connectMany(3);
    for (const client of [first, second, third]) expect(client!.closed).toBeUndefined();
    first!.subscribe("public");
    await settled();
    expect(ring.node.tenants.get("3")!.quotaConnections).toBe(0);

    first!.subscribe("private-a");
    await settled();
    expect(ring.node.tenants.get("3")!.quotaConnections).toBe(1);
    second!.signIn("u");
    await settled();
    expect(second!.closed).toEqual({ code: 4004, reason: "Account over quota" });
    expect(second!.events).toEqual([]);
    third!.subscribe("private-b");
    await settled();
    expect(third!.closed!.code).toBe(4004);
    expect(third!.events).toEqual([]);
    expect(first!.closed).toBeUndefined();

    first!.leave();
    await settled();
    expect(ring.leftovers()).toMatchObject({ sessions: 0, channels: [], quota: 0, topics: [] });
  });

  test("are closed with 4009 when they have not shown in 30 seconds who they are", async () => {
    const ring = new Ring({ apps: [app] });
    const [silent, refused, authorized] = await ring.connectMany(3);
    refused!.subscribe("private-a", { auth: `${VECTOR_KEY}:nope` });
    authorized!.enter("presence-a", "u");
    await settled();
    ring.clock.advance(29_000);
    for (const client of [silent, refused, authorized]) expect(client!.closed).toBeUndefined();
    ring.clock.advance(2_000);
    for (const client of [silent, refused]) {
      expect(client!.closed).toEqual({
        code: 4009,
        reason: "Connection not authorized within timeout",
      });
    }
    expect(authorized!.closed).toBeUndefined();
  });
});

describe("a process that asks its store first", () => {
  test("tells a client nothing before connection_established, not even a pong", async () => {
    const { TroubledRoster } = await import("../../support/doubles.ts");
    let troubled!: InstanceType<typeof TroubledRoster>;
    const ring = new Ring({
      apps: [testApp({ limits: { connections: 10 } })],
      roster: (inner) => (troubled = new TroubledRoster(inner)),
    });
    troubled.gate("holdConnections").shut();
    const client = ring.open();
    client.send({ event: "pusher:ping", data: {} });
    client.sendRaw("no JSON");
    ring.gateway.receiveBinary(client.session);
    await settled();
    expect(client.events).toEqual([]);
    troubled.gate("holdConnections").open();
    await settled();
    expect(client.events).toEqual([
      "pusher:connection_established",
      "pusher:pong",
      "pusher:error",
      "pusher:error",
    ]);
  });
});

test("what a process is set to says is what a client is told", async () => {
  const ring = new Ring({
    settings: { websocket: { ...TEST_SETTINGS.websocket, activityTimeoutMs: 30_000 } },
  });
  const client = ring.open();
  await settled();
  expect(client.data("pusher:connection_established")).toMatchObject([{ activity_timeout: 30 }]);
});
