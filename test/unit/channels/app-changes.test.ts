import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { NOTHING_LEFT, Ring, settled } from "../../support/ring.ts";

const [ONE, TWO] = [
  { key: "one", secret: "1", active: true },
  { key: "two", secret: "2", active: true },
];
const app = testApp({ keys: [ONE!, TWO!] });
const other = testApp({ id: "4", keys: [{ key: "other", secret: "3", active: true }] });

async function started() {
  const ring = new Ring({ apps: [app, other] });
  const clients = {
    plain: await ring.connect({ app, key: ONE! }),
    secure: await ring.connect({ app, key: TWO!, secure: true }),
    browser: await ring.connect({ app, key: ONE!, secure: true, origin: "https://a.example.com" }),
    foreign: await ring.connect({ app: other }),
  };
  const closed = () =>
    Object.entries(clients).flatMap(([name, client]) =>
      client.closed === undefined ? [] : [[name, client.closed.code]],
    );
  return { ring, clients, closed };
}

describe("a change of an app closes exactly what is no longer allowed", () => {
  test.each<[what: string, changed: object, closed: [string, number][]]>([
    ["nothing of interest", { name: "new name", subscriptionCount: false, watchlist: false }, []],
    [
      "disabled",
      { enabled: false },
      [
        ["plain", 4003],
        ["secure", 4003],
        ["browser", 4003],
      ],
    ],
    [
      "a key deactivated",
      { keys: [{ ...ONE, active: false }, TWO] },
      [
        ["plain", 4001],
        ["browser", 4001],
      ],
    ],
    ["a key removed", { keys: [ONE] }, [["secure", 4001]]],
    ["a key added", { keys: [{ key: "new", secret: "s", active: true }, ONE, TWO] }, []],
    ["a secret changed", { keys: [{ ...ONE, secret: "new" }, TWO] }, []],
    ["TLS demanded", { forceTls: true }, [["plain", 4000]]],
    ["origins restricted", { allowedOrigins: ["b.example.com"] }, [["browser", 4009]]],
    ["origins restricted to what is there", { allowedOrigins: ["a.example.com"] }, []],
    ["authorization demanded", { authorizedConnections: true }, []],
    ["a lower quota", { limits: { connections: 1 } }, []],
    ["a lower limit of subscriptions", { limits: { subscriptionsPerConnection: 0 } }, []],
  ])("%s", async (_what, changed, expected) => {
    const { ring, clients, closed } = await started();
    ring.apps.replace([testApp({ keys: app.keys, ...changed }), other]);
    await settled();
    expect(closed()).toEqual(expected);
    // What a socket opened before the demand must show, it need not show later either.
    for (let s = 0; s < 40; s++) {
      ring.clock.advance(1_000);
      for (const client of Object.values(clients)) {
        if (client.closed === undefined) client.send({ event: "pusher:ping", data: {} });
      }
    }
    await settled();
    expect(closed()).toEqual(expected);
  });

  test("is counted by the code that the sockets were closed with, 4001 included", async () => {
    const { ring } = await started();
    ring.apps.replace([testApp({ keys: [ONE!] }), other]);
    await settled();
    expect([...ring.node.tenants.get(app.id)!.counters.connectionsClosed]).toEqual([[4001, 1]]);
  });

  test("removed: its sockets are closed with 4001, nothing of it stays, and the API no longer knows it", async () => {
    const { ring, clients, closed } = await started();
    clients.plain.enter("presence-c", "u");
    clients.foreign.enter("presence-c", "u");
    await settled();
    ring.apps.replace([other]);
    await settled();
    expect(closed()).toEqual([
      ["plain", 4001],
      ["secure", 4001],
      ["browser", 4001],
    ]);
    expect(clients.plain.closed!.reason).toBe(
      "App key one not in this cluster. Did you forget to specify the cluster?",
    );
    expect([...ring.node.tenants.keys()]).toEqual(["4"]);
    expect(await ring.call("GET", "/channels", { app })).toMatchObject({ status: 404 });
    expect(await ring.roster.channels("4", "")).toHaveLength(1);
    expect(await ring.roster.channels("3", "")).toEqual([]);
  });

  test("removed and added again, it serves as before", async () => {
    const { ring } = await started();
    ring.apps.replace([other]);
    await settled();
    ring.apps.replace([app, other]);
    const client = await ring.connect({ app });
    client.subscribe("c");
    await settled();
    await ring.publish("c", "e", "d", {}, { app });
    expect(client.events).toContain("e");
    client.leave();
    await settled();
    expect(ring.node.tenants.get("3")!.quotaConnections).toBe(0);
  });
});

describe("a change of an app holds from the next message on", () => {
  test("limits, toggles and keys", async () => {
    const { ring, clients } = await started();
    const { plain } = clients;
    plain.subscribe("private-c");
    await settled();
    plain.take();
    ring.apps.replace([
      testApp({
        keys: [ONE!, { ...TWO!, active: false }],
        clientEvents: false,
        limits: { channelNameLength: 5, eventBytes: 3 },
      }),
      other,
    ]);
    plain.trigger("private-c", "client-x", "d");
    plain.subscribe("123456");
    await settled();
    expect(plain.errors).toEqual([
      "To send client events, you must enable this feature in the Settings page of your dashboard.",
      "Invalid channel name: 123456",
    ]);
    expect((await ring.publish("c", "e", "four")).status).toBe(413);
    expect(await ring.call("GET", "/channels", { app, key: TWO! })).toMatchObject({
      status: 401,
      text: "Unknown auth_key\n",
    });
  });

  test("a higher quota lets the next socket in", async () => {
    const ring = new Ring({ apps: [testApp({ limits: { connections: 1 } })] });
    await ring.connect();
    expect((await ring.connect()).closed?.code).toBe(4004);
    ring.apps.replace([testApp({ limits: { connections: 2 } })]);
    expect((await ring.connect()).closed).toBeUndefined();
  });

  test("no more authorization: who waited to be authorized counts from now on, and is not closed", async () => {
    const demanding = testApp({ authorizedConnections: true, limits: { connections: 2 } });
    const ring = new Ring({ apps: [demanding] });
    const clients = await ring.connectMany(3);
    expect(ring.node.tenants.get("3")!.quotaConnections).toBe(0);
    ring.apps.replace([{ ...demanding, authorizedConnections: false }]);
    await settled();
    expect(clients.map(({ closed }) => closed?.code)).toEqual([undefined, undefined, 4004]);
    ring.clock.advance(31_000);
    expect(clients.map(({ closed }) => closed?.code)).toEqual([undefined, undefined, 4004]);
    for (const client of clients) client.leave();
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
  });
});
