import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { TroubledBus } from "../../support/doubles.ts";
import { NOTHING_LEFT, Ring, settled } from "../../support/ring.ts";

describe("when everybody has gone", () => {
  test("nothing is held for anybody: sockets, channels, users, quota, topics, Bus and Roster", async () => {
    let bus!: TroubledBus;
    const ring = new Ring({
      apps: [testApp({ authorizedConnections: true, limits: { presenceMembers: 5 } })],
      bus: (inner) => (bus = new TroubledBus(inner)),
    });
    const clients = await ring.connectMany(60);
    for (const [i, client] of clients.entries()) {
      client.subscribe("c");
      client.subscribe(`cache-${i % 3}`);
      client.subscribe(`private-${i % 7}`);
      client.enter("presence-c", `u${i % 11}`);
      client.signIn(`u${i % 13}`, { watchlist: [`u${i % 5}`, "nobody"] });
      client.subscribe(`#server-to-user-u${i % 13}`);
      client.unsubscribe(i % 2 === 0 ? "c" : "never");
      client.trigger(`private-${i % 7}`, "client-x", i);
    }
    await settled();
    expect(ring.node.tenants.get("3")!.quotaConnections).toBe(60);
    for (const [i, client] of clients.entries()) {
      if (i % 3 === 0) client.drop();
      else if (i % 3 === 1) client.leave();
      else client.session.close({ code: 4200, text: "" });
    }
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
    expect([...bus.subscribed]).toEqual([]);
    expect(await ring.roster.channels("3", "")).toEqual([]);
    expect(
      await ring.roster.online(
        "3",
        Array.from({ length: 13 }, (_, i) => `u${i}`),
      ),
    ).toEqual([]);
    expect(await ring.roster.holdConnections("3", 0)).toBe(0);
    for (let i = 0; i < 13; i++) expect(ring.node.sessions.ofUser("3", `u${i}`).size).toBe(0);
    expect(ring.logged).toEqual([]);
  });

  test("no session is kept by anything: each can be collected", async () => {
    const ring = new Ring();
    const kept: WeakRef<object>[] = [];
    await (async () => {
      const clients = await ring.connectMany(300);
      for (const [i, client] of clients.entries()) {
        client.subscribe("c");
        client.enter("presence-c", `u${i % 11}`);
        client.signIn(`u${i % 13}`, { watchlist: [`u${i % 5}`] });
        kept.push(new WeakRef(client.session));
      }
      await settled();
      // Some have been asked for a sign of life, and stand elsewhere on the wheel.
      ring.clock.advance(50_000);
      for (const client of clients) client.drop();
    })();
    for (let i = 0; i < 3; i++) {
      await settled();
      Bun.gc(true);
    }
    // The collector takes some words on the stack for references.
    expect(kept.filter((session) => session.deref() !== undefined).length).toBeLessThan(30);
  });

  test("a message that is still under way to one of them hurts nobody", async () => {
    const ring = new Ring();
    const client = await ring.connect();
    client.subscribe("c");
    await settled();
    client.drop();
    client.subscribe("d");
    client.send({ event: "pusher:ping", data: {} });
    await ring.publish("c", "e", "d", { socket_id: client.id });
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
    expect(ring.logged).toEqual([]);
  });
});

test("what is counted as closed is a code of ours or of the standard, whatever a client sends", async () => {
  const ring = new Ring();
  const clients = await ring.connectMany(6);
  for (const [i, code] of [1000, 1001, 3333, 4999, 4201, 0].entries())
    clients[i]!.socket.gone(code);
  expect([...ring.node.tenants.get("3")!.counters.connectionsClosed]).toEqual([
    [1000, 1],
    [1001, 1],
    [1006, 3],
    [4201, 1],
  ]);
});
