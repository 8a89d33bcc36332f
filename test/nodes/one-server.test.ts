import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { testApp } from "../e2e/support/apps.ts";
import { callApi, publish } from "../e2e/support/http-api.ts";
import { nextEvent, pusherClient, serverLibrary } from "../e2e/support/pusher-client.ts";
import { connectRaw, rawClient, RawWebSocket } from "../e2e/support/raw-web-socket.ts";
import { Ringmaster } from "../e2e/support/ringmaster.ts";
import { eventually } from "../e2e/support/wait.ts";
import { isInstalled, RedisServer } from "../support/redis-server.ts";

const NODES = 3;
const QUOTA = 4;

const app = testApp({
  watchlist: true,
  clientEvents: true,
  subscriptionCount: true,
});
const small = testApp({ limits: { connections: QUOTA } });
const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

/** Three nodes; every test does something on one of them, and looks on another. */
describe("Many nodes are one server:", { skip }, () => {
  let redis: RedisServer;
  let nodes: Ringmaster[] = [];
  let ports: number[] = [];
  before(async () => {
    redis = await RedisServer.start();
    const config = {
      apps: [app.entry, small.entry],
      redis: { url: `redis://127.0.0.1:${redis.port}` },
    };
    nodes = await Promise.all(Array.from({ length: NODES }, () => Ringmaster.start({ config })));
    ports = nodes.map(({ port }) => port);
  });
  after(async () => {
    for (const node of nodes) await node.stop();
    await redis.close();
  });

  function portOf(node: number): number {
    return ports[node] ?? 0;
  }

  test("an event published to one reaches pusher-js on all, but the socket that it excludes", async (t) => {
    const clients = ports.map((at) => pusherClient(t, app, { port: at }));
    for (const client of clients) await client.subscribe("news");
    const excluded = await clients[2]?.connected();
    await publish(app, portOf(0), "news", "first", "1", { socket_id: excluded });
    await publish(app, portOf(1), "news", "last", "2");
    for (const client of clients) await client.message("last", "news");
    assert.deepEqual(
      clients.map((client) => client.got("first", "news").length),
      [1, 1, 0],
    );
  });

  test("messages of one channel come in the same order everywhere, whoever publishes", async (t) => {
    const clients = ports.map((at) => pusherClient(t, app, { port: at }));
    for (const client of clients) await client.subscribe("order");
    await Promise.all(
      Array.from({ length: 90 }, (_, i) => publish(app, portOf(i % NODES), "order", "e", `${i}`)),
    );
    await publish(app, portOf(0), "order", "end");
    const orders = [];
    for (const client of clients) {
      await client.message("end", "order");
      orders.push(client.got("e", "order").map(({ data }) => data));
    }
    assert.equal(orders[0]?.length, 90);
    for (const order of orders) assert.deepEqual(order, orders[0]);
  });

  test("members of a presence channel see each other, once, and are listed by every node", async (t) => {
    const clients = ["ada", "bob", "ada"].map((user_id, node) =>
      pusherClient(t, app, { port: portOf(node), member: { user_id } }),
    );
    for (const client of clients) await client.subscribe("presence-room");
    for (const at of ports) {
      const { body } = await callApi(app, at, { path: "/channels/presence-room/users" });
      const { users } = JSON.parse(body) as { users: { id: string }[] };
      assert.deepEqual(users.map(({ id }) => id).toSorted(), ["ada", "bob"]);
    }
    clients[0]?.pusher.disconnect();
    clients[2]?.pusher.disconnect();
    const gone = await clients[1]?.message("pusher_internal:member_removed");
    assert.deepEqual(gone?.data, { user_id: "ada" });
    assert.equal(clients[1]?.got("pusher_internal:member_added").length, 0);
  });

  test("subscribers are counted over all nodes, and all are told", async (t) => {
    const clients = ports.map((at) => pusherClient(t, app, { port: at }));
    for (const client of clients) await client.subscribe("counted");
    await eventually("the first hears of three", () =>
      clients[0]
        ?.got("pusher_internal:subscription_count")
        .some(({ data }) => (data as { subscription_count: number }).subscription_count === 3),
    );
    const { body } = await callApi(app, portOf(1), {
      path: "/channels/counted",
      query: [["info", "subscription_count"]],
    });
    assert.deepEqual(JSON.parse(body), { occupied: true, subscription_count: 3 });
  });

  test("a client's event reaches the others wherever they are", async (t) => {
    const clients = [0, 1, 2].map((node) => pusherClient(t, app, { port: portOf(node) }));
    for (const client of clients) await client.subscribe("private-chat");
    clients[0]?.pusher.channel("private-chat").trigger("client-typing", { who: "me" });
    for (const client of clients.slice(1)) await client.message("client-typing", "private-chat");
    assert.equal(clients[0]?.got("client-typing").length, 0);
  });

  test("a cache channel's last event comes from whichever node one joins", async (t) => {
    await publish(app, portOf(0), "cache-weather", "now", { sun: true });
    for (const at of ports) {
      const client = pusherClient(t, app, { port: at });
      await client.subscribe("cache-weather");
      const { data } = await client.message("now", "cache-weather");
      assert.deepEqual(data, { sun: true });
    }
  });

  test("what is sent to a user, and the order to terminate, finds all connections of that user", async (t) => {
    const user = { id: "wanted" };
    const clients = ports.map((at) => pusherClient(t, app, { port: at, user }));
    const coming = clients.map((client) => nextEvent(client.pusher.user, "notice"));
    for (const client of clients) {
      client.pusher.signin();
      await client.message("pusher_internal:subscription_succeeded");
    }
    await serverLibrary(app, { port: portOf(1) }).sendToUser("wanted", "notice", { n: 1 });
    for (const { data } of await Promise.all(coming)) assert.deepEqual(data, { n: 1 });
    await serverLibrary(app, { port: portOf(2) }).terminateUserConnections("wanted");
    for (const client of clients) {
      await client.reached("disconnected");
      assert.equal((await client.error()).code, 4009);
    }
  });

  test("who is watched is online from his first connection to his last, on any node", async (t) => {
    const watcher = await rawClient(t, app, { port: portOf(0) });
    await watcher.signIn({ id: "watcher", watchlist: ["star"] });
    const told = (): Promise<unknown> => watcher.socket.data("pusher_internal:watchlist_events");
    assert.deepEqual(await told(), { events: [{ name: "offline", user_ids: ["star"] }] });
    const [first, second] = [
      await connectRaw(app, { port: portOf(1) }),
      await connectRaw(app, { port: portOf(2) }),
    ];
    await first.signIn({ id: "star" });
    await second.signIn({ id: "star" });
    assert.deepEqual(await told(), { events: [{ name: "online", user_ids: ["star"] }] });
    first.socket.close();
    await first.socket.closed;
    second.socket.close();
    assert.deepEqual(await told(), { events: [{ name: "offline", user_ids: ["star"] }] });
  });

  test("an app's quota of connections is one for all nodes, and is free again when they go", async (t) => {
    const admitted = [];
    for (let i = 0; i < QUOTA; i++)
      admitted.push(await rawClient(t, small, { port: portOf(i % NODES) }));
    for (const at of ports) {
      const refused = await RawWebSocket.open({ port: at, key: small.key });
      assert.equal((await refused.closed).code, 4004);
    }
    admitted[0]?.socket.close();
    await admitted[0]?.socket.closed;
    await eventually("there is room on another node", async () => {
      const socket = await RawWebSocket.open({ port: portOf(1), key: small.key });
      const greeting = socket.data("pusher:connection_established").then(() => true);
      const isIn = await Promise.race([greeting, socket.closed.then(() => false)]);
      socket.destroy();
      return isIn;
    });
  });
});
