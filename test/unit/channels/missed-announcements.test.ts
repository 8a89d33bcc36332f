import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { MemberBelief, believedCount, believedOnline } from "../../support/beliefs.ts";
import { settled, type Client, type Ring } from "../../support/ring.ts";
import { RingCluster, type Line } from "../../support/ring-cluster.ts";

interface Two {
  readonly cluster: RingCluster;
  readonly here: Ring;
  readonly there: Ring;
  /** To the node here. */
  readonly line: Line;
}

function twoNodes(app = testApp()): Two {
  const cluster = new RingCluster(2, app);
  const [here, there] = cluster.rings;
  return { cluster, here: here!, there: there!, line: cluster.lines[0]! };
}

async function opened(cluster: RingCluster, ring: Ring): Promise<Client> {
  const client = ring.open();
  await cluster.arrive();
  return client;
}

/** A client on a presence channel as that user. */
async function member(cluster: RingCluster, ring: Ring, userId: string): Promise<Client> {
  const client = await opened(cluster, ring);
  client.enter("presence-c", userId, { name: userId });
  await cluster.arrive();
  return client;
}

function listOf(client: Client): string[] {
  return Object.keys(new MemberBelief(client, "presence-c").members ?? {}).toSorted();
}

describe("when a node was cut off from the Bus", () => {
  test("its clients hear who came and went meanwhile, and of nobody twice", async () => {
    const { cluster, here, there, line } = twoNodes();
    const client = await member(cluster, here, "a");
    const goes = await member(cluster, there, "goes");
    await member(cluster, there, "stays");
    const returns = await member(cluster, there, "returns");
    client.take();
    line.cut();
    goes.drop();
    returns.drop();
    await member(cluster, there, "returns");
    await member(cluster, there, "comes");
    expect(client.events).toEqual([]);
    line.mend();
    await cluster.rest();
    expect(client.raw).toEqual([
      String.raw`{"event":"pusher_internal:member_removed","channel":"presence-c","data":"{\"user_id\":\"goes\"}"}`,
      String.raw`{"event":"pusher_internal:member_added","channel":"presence-c","data":"{\"user_id\":\"comes\",\"user_info\":{\"name\":\"comes\"}}"}`,
    ]);
  });

  test("a member who came back as another is told to have left and come", async () => {
    const { cluster, here, there, line } = twoNodes();
    const client = await member(cluster, here, "a");
    const other = await member(cluster, there, "b");
    line.cut();
    other.drop();
    const again = await opened(cluster, there);
    again.enter("presence-c", "b", { name: "another" });
    await cluster.arrive();
    line.mend();
    await cluster.rest();
    expect(client.events.slice(-2)).toEqual([
      "pusher_internal:member_removed",
      "pusher_internal:member_added",
    ]);
    expect(new MemberBelief(client, "presence-c").members).toEqual({
      a: { name: "a" },
      b: { name: "another" },
    });
  });

  test("those who joined meanwhile, on it or elsewhere, know each other, and hear nothing of themselves", async () => {
    const { cluster, here, there, line } = twoNodes();
    const first = await member(cluster, here, "first");
    line.cut();
    const second = await member(cluster, here, "second");
    const tab = await member(cluster, here, "second");
    const remote = await member(cluster, there, "remote");
    expect(listOf(second)).toContain("second");
    expect(listOf(first)).not.toContain("second");
    line.mend();
    await cluster.rest();
    for (const client of [first, second, tab, remote])
      expect(listOf(client)).toEqual(["first", "remote", "second"]);
    expect(tab.data("pusher_internal:member_added")).toEqual([
      { user_id: "remote", user_info: { name: "remote" } },
    ]);
  });

  test("what is announced while it asks counts more than the answer", async () => {
    const { cluster, here, there, line } = twoNodes();
    const client = await member(cluster, here, "a");
    const goes = await member(cluster, there, "goes");
    line.cut();
    await member(cluster, there, "missed");
    line.mend();
    // The Roster answers now, and its answer takes a while.
    cluster.clock.advance(0);
    goes.drop();
    await settled();
    expect(line.arriveMessage()).toBe(true);
    await cluster.rest();
    expect(listOf(client)).toEqual(["a", "missed"]);
  });

  test("a store that is away is asked again, until it answers; the log says so once a round", async () => {
    const { cluster, here, there, line } = twoNodes();
    const clients = [await member(cluster, here, "a"), await member(cluster, here, "b")];
    line.cut();
    await member(cluster, there, "comes");
    line.isStoreAway = true;
    line.mend();
    for (let round = 0; round < 3; round++) {
      cluster.clock.advance(3_000);
      await cluster.arrive();
    }
    expect(listOf(clients[0]!)).toEqual(["a", "b"]);
    expect(here.healing.ill).toBe(1);
    const warnings = here.logged.filter(({ level }) => level === "warn");
    expect(warnings.length).toBeGreaterThanOrEqual(2);
    expect(warnings.length).toBeLessThanOrEqual(4);
    line.isStoreAway = false;
    await cluster.rest();
    for (const client of clients) expect(listOf(client)).toEqual(["a", "b", "comes"]);
  });

  test("an answer that lacks what the node itself holds is of a store that lost its data: nobody is told that all have left", async () => {
    const { cluster, here, there, line } = twoNodes();
    const client = await member(cluster, here, "a");
    const other = await member(cluster, there, "b");
    const { roster } = cluster.store;
    const answer = roster.channel.bind(roster);
    let hasLost = true;
    roster.channel = async (...args) =>
      hasLost ? { subscribers: 0, members: [] } : answer(...args);
    line.cut();
    other.drop();
    await cluster.arrive();
    client.take();
    line.mend();
    for (let round = 0; round < 3; round++) {
      cluster.clock.advance(3_000);
      await cluster.arrive();
    }
    expect(client.raw).toEqual([]);
    hasLost = false;
    await cluster.rest();
    expect(client.data("pusher_internal:member_removed")).toEqual([{ user_id: "b" }]);
  });

  test("watchers hear who came and went meanwhile, and nothing that they know", async () => {
    const { cluster, here, there, line } = twoNodes();
    const goes = await opened(cluster, there);
    const stays = await opened(cluster, there);
    goes.signIn("goes");
    stays.signIn("stays");
    await cluster.arrive();
    const watcher = await opened(cluster, here);
    watcher.signIn("w", { watchlist: ["goes", "stays", "comes"] });
    await cluster.arrive();
    watcher.take();
    line.cut();
    goes.drop();
    const comes = await opened(cluster, there);
    comes.signIn("comes");
    await cluster.arrive();
    line.mend();
    await cluster.rest();
    expect(believedOnline(watcher)).toEqual({ goes: false, comes: true });
    expect(watcher.frames).toHaveLength(2);
  });

  test("subscribers hear the count as it is now", async () => {
    const { cluster, here, there, line } = twoNodes();
    const client = await opened(cluster, here);
    client.subscribe("c");
    await cluster.arrive();
    line.cut();
    for (let i = 0; i < 3; i++) (await opened(cluster, there)).subscribe("c");
    await cluster.arrive();
    expect(believedCount(client, "c")).toBe(1);
    line.mend();
    await cluster.rest();
    expect(believedCount(client, "c")).toBe(4);
  });

  test("a count that is announced before it could ask is enough", async () => {
    const { cluster, here, there, line } = twoNodes();
    const client = await opened(cluster, here);
    client.subscribe("c");
    await cluster.arrive();
    line.cut();
    (await opened(cluster, there)).subscribe("c");
    await cluster.arrive();
    line.mend();
    client.take();
    (await opened(cluster, there)).subscribe("c");
    await cluster.rest();
    expect(client.raw).toHaveLength(1);
    expect(believedCount(client, "c")).toBe(3);
  });

  test("nobody is told a count where the app has it off", async () => {
    const { cluster, here, line } = twoNodes(testApp({ subscriptionCount: false }));
    const client = await opened(cluster, here);
    client.subscribe("c");
    await cluster.arrive();
    client.take();
    line.cut();
    line.mend();
    await cluster.rest();
    expect(client.raw).toEqual([]);
  });

  test("it asks about its channels in slices, and not at all about those that nobody here is on any more", async () => {
    const { cluster, here, line } = twoNodes();
    const client = await opened(cluster, here);
    const leaver = await opened(cluster, here);
    for (let i = 0; i < 150; i++) client.enter(`presence-${i}`, "u");
    for (let i = 0; i < 50; i++) leaver.enter(`presence-left-${i}`, "u");
    await cluster.arrive();
    const asked: string[] = [];
    const { roster } = cluster.store;
    const answer = roster.channel.bind(roster);
    roster.channel = (appId, channel) => {
      asked.push(channel);
      return answer(appId, channel);
    };
    line.cut();
    line.mend();
    leaver.drop();
    await cluster.arrive();
    cluster.clock.advance(0);
    await cluster.arrive();
    const first = asked.length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(100);
    cluster.clock.advance(49);
    await cluster.arrive();
    expect(asked).toHaveLength(first);
    cluster.clock.advance(1);
    await cluster.arrive();
    expect(asked).toHaveLength(150);
    expect(asked.toSorted()).toEqual(
      Array.from({ length: 150 }, (_, i) => `presence-${i}`).toSorted(),
    );
  });

  test("a node that ends asks nothing more", async () => {
    const { cluster, here, line } = twoNodes();
    await member(cluster, here, "a");
    line.cut();
    line.mend();
    const { pending } = cluster.clock;
    here.healing.close();
    expect(cluster.clock.pending).toBe(pending - 1);
    line.cut();
    line.mend();
    expect(cluster.clock.pending).toBe(pending - 1);
  });
});

describe("when answers overtake announcements", () => {
  test("a member hears nothing of himself, and the others hear of him once, when the Bus says so", async () => {
    const { cluster, here, there, line } = twoNodes();
    const first = await member(cluster, here, "first");
    const [tab, joiner] = [await opened(cluster, here), await opened(cluster, here)];
    joiner.enter("presence-c", "u");
    tab.enter("presence-c", "u");
    await settled();
    while (line.arriveAnswer()) await settled();
    expect(listOf(joiner)).toEqual(["first", "u"]);
    expect(listOf(first)).toEqual(["first"]);
    // Who joins now hears of the member in the order of the Bus as well.
    await cluster.arrive();
    await member(cluster, there, "later");
    for (const client of [first, joiner, tab])
      expect(listOf(client)).toEqual(["first", "later", "u"]);
    expect(first.data("pusher_internal:member_added")).toHaveLength(2);
    expect(joiner.data("pusher_internal:member_added")).toHaveLength(1);
    expect(tab.data("pusher_internal:member_added")).toHaveLength(1);
  });

  test("the count that a subscriber hears last is true, though older ones come behind his own answer", async () => {
    const { cluster, here, there, line } = twoNodes();
    const other = await opened(cluster, there);
    const waits = await opened(cluster, here);
    waits.subscribe("c");
    await cluster.arrive();
    const client = await opened(cluster, here);
    other.subscribe("c");
    await settled();
    client.subscribe("c");
    await settled();
    while (line.arriveAnswer()) await settled();
    expect(believedCount(client, "c")).toBe(3);
    expect(line.arriveMessage()).toBe(true);
    expect(believedCount(client, "c")).toBe(2);
    await cluster.arrive();
    expect(believedCount(client, "c")).toBe(3);
  });
});
