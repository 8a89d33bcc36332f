import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { BusMessage } from "../../src/channels/ports/bus.ts";
import type { ChannelHolding, HoldingOutcome, Roster } from "../../src/channels/ports/roster.ts";
import { watchersChannel } from "../../src/protocol/channel-name.ts";
import type { WebhookEvent } from "../../src/protocol/webhook-event.ts";

/** Several nodes with one Roster, and somebody who listens to what it announces. */
export interface RosterCluster {
  readonly nodes: readonly Roster[];
  /** The messages on this channel from now on, as a list that grows. */
  listen(appId: string, channel: string): Promise<readonly BusMessage[]>;
  /** Lets time pass, by its clock or by waiting. */
  advance(ms: number): Promise<void>;
  /** Resolves when everything said so far has been announced. */
  settle(): Promise<void>;
  /** What stands in the event log so far, of all apps, in order. */
  recorded(): Promise<readonly { readonly appId: string; readonly event: WebhookEvent }[]>;
  /** Lets a node die and be found dead. An engine for one process has nobody to find it. */
  kill?(node: number): Promise<void>;
  close(): Promise<void>;
}

export interface RosterEngine {
  /** How many nodes can share one Roster. */
  readonly maxNodes: number;
  make(nodes: number): Promise<RosterCluster>;
}

const APP = "1";
const OTHER_APP = "11";
/** Any text may be a user id, and stores have characters of their own. */
const STRANGE = [
  "__proto__",
  "constructor",
  "a/b",
  "a:b",
  "{x}",
  "{x}:y",
  "*",
  "ü 😀",
  "\n",
  " ",
  "a\u0000b",
];

type Extra = Partial<Omit<ChannelHolding, "member">>;

/** What the Roster port promises, for any engine. */
export function describeRoster(name: string, engine: RosterEngine): void {
  const nodes = Math.min(3, engine.maxNodes);

  describe(`${name} as a Roster`, () => {
    let cluster: RosterCluster;
    let roster: Roster;
    beforeEach(async () => {
      cluster = await engine.make(nodes);
      roster = cluster.nodes[0]!;
    });
    afterEach(() => cluster.close());

    function hold(
      channel: string,
      subscribers: number,
      extra: Extra = {},
      on = roster,
    ): Promise<HoldingOutcome> {
      return on.hold({
        appId: APP,
        channel,
        subscribers,
        member: undefined,
        causeSocketId: "1.1",
        announceCount: false,
        record: "nothing",
        ...extra,
      });
    }

    /** One user's sockets on a presence channel; `subscribers` are all sockets of the node there. */
    function holdMember(
      userId: string,
      connections: number,
      subscribers: number,
      more: {
        infoJson?: string | null;
        maxMembers?: number;
        channel?: string;
        on?: Roster;
        cause?: string;
        appId?: string;
        record?: ChannelHolding["record"];
      } = {},
    ): Promise<HoldingOutcome> {
      return (more.on ?? roster).hold({
        appId: more.appId ?? APP,
        channel: more.channel ?? "presence-c",
        subscribers,
        member: {
          member: { userId, infoJson: more.infoJson ?? null },
          connections,
          maxMembers: more.maxMembers ?? 100,
        },
        causeSocketId: more.cause ?? "1.1",
        announceCount: false,
        record: more.record ?? "nothing",
      });
    }

    async function userIds(channel = "presence-c", appId = APP): Promise<string[]> {
      return (await roster.channel(appId, channel)).members.map(({ userId }) => userId).toSorted();
    }

    describe("channels", () => {
      test("one that nobody is on answers zeros", async () => {
        expect(await roster.channel(APP, "c")).toEqual({ subscribers: 0, members: [] });
        expect(await roster.channels(APP, "")).toEqual([]);
      });

      test("a holding is answered with what the cluster holds, and so are questions after it", async () => {
        expect(await hold("c", 1)).toEqual({
          accepted: true,
          state: { subscribers: 1, members: [] },
        });
        expect(await hold("c", 7)).toEqual({
          accepted: true,
          state: { subscribers: 7, members: [] },
        });
        expect(await roster.channel(APP, "c")).toEqual({ subscribers: 7, members: [] });
        expect(await roster.channels(APP, "")).toEqual([
          { channel: "c", subscribers: 7, users: 0 },
        ]);
      });

      test("the last out leaves no trace", async () => {
        await hold("c", 2);
        expect(await hold("c", 0)).toEqual({
          accepted: true,
          state: { subscribers: 0, members: [] },
        });
        expect(await roster.channel(APP, "c")).toEqual({ subscribers: 0, members: [] });
        expect(await roster.channels(APP, "")).toEqual([]);
      });

      test("numbers are absolute: said again, they change nothing", async () => {
        for (let i = 0; i < 3; i++) await hold("c", 2);
        expect((await roster.channel(APP, "c")).subscribers).toBe(2);
        for (let i = 0; i < 3; i++) await hold("c", 0);
        expect((await roster.channel(APP, "c")).subscribers).toBe(0);
        await hold("c", 1);
        expect((await roster.channel(APP, "c")).subscribers).toBe(1);
      });

      test("calls take effect in their order, nobody waiting for an answer", async () => {
        const said = [1, 5, 0, 3, 2, 0, 4];
        const outcomes = await Promise.all(said.map((subscribers) => hold("c", subscribers)));
        expect(outcomes).toEqual(
          said.map((subscribers) => ({ accepted: true, state: { subscribers, members: [] } })),
        );
        expect((await roster.channel(APP, "c")).subscribers).toBe(4);
      });

      test("are listed by the letters they start with, whatever those mean to a store", async () => {
        for (const channel of ["a", "ab", "b", "a.b", "presence-a", "a-"]) await hold(channel, 1);
        await holdMember("u", 1, 1, { channel: "presence-a" });
        await hold("gone", 1);
        await hold("gone", 0);
        const names = async (prefix: string): Promise<string[]> =>
          (await roster.channels(APP, prefix)).map(({ channel }) => channel).toSorted();
        expect(await names("")).toEqual(["a", "a-", "a.b", "ab", "b", "presence-a"]);
        expect(await names("a")).toEqual(["a", "a-", "a.b", "ab"]);
        expect(await names("a.")).toEqual(["a.b"]);
        for (const prefix of ["*", "a*", "?", "[ab]", "a\\", "^", "%", "a_", "A", "{"])
          expect(await names(prefix)).toEqual([]);
        expect(await roster.channels(APP, "presence-")).toEqual([
          { channel: "presence-a", subscribers: 1, users: 1 },
        ]);
      });

      test("of one name in two apps know nothing of each other", async () => {
        await hold("c", 1);
        await hold("c", 5, { appId: OTHER_APP });
        await holdMember("u", 1, 1);
        await holdMember("v", 1, 1, { appId: OTHER_APP });
        expect((await roster.channel(APP, "c")).subscribers).toBe(1);
        expect((await roster.channel(OTHER_APP, "c")).subscribers).toBe(5);
        expect([await userIds(), await userIds("presence-c", OTHER_APP)]).toEqual([["u"], ["v"]]);
        await hold("c", 0, { appId: OTHER_APP });
        expect((await roster.channels(APP, "")).map(({ channel }) => channel).toSorted()).toEqual([
          "c",
          "presence-c",
        ]);
        expect(await roster.channels("111", "")).toEqual([]);
      });

      test("may have the names of an object's own", async () => {
        for (const channel of ["__proto__", "constructor", "toString"]) {
          expect((await roster.channel(APP, channel)).subscribers).toBe(0);
          await hold(channel, 1);
          expect((await roster.channel(APP, channel)).subscribers).toBe(1);
        }
        expect(await roster.channels(APP, "")).toHaveLength(3);
      });
    });

    describe("members", () => {
      test("who comes is answered with the list, himself included; who leaves is not", async () => {
        expect(await holdMember("a", 1, 1, { infoJson: '{"n":1}' })).toEqual({
          accepted: true,
          state: { subscribers: 1, members: [{ userId: "a", infoJson: '{"n":1}' }] },
        });
        const joined = await holdMember("b", 1, 2);
        expect(
          joined.accepted &&
            joined.state.members.toSorted((x, y) => x.userId.localeCompare(y.userId)),
        ).toEqual([
          { userId: "a", infoJson: '{"n":1}' },
          { userId: "b", infoJson: null },
        ]);
        expect(await holdMember("b", 0, 1)).toEqual({
          accepted: true,
          state: { subscribers: 1, members: [] },
        });
        expect(await userIds()).toEqual(["a"]);
      });

      test("are announced when the first socket comes and when the last leaves, and at no other time", async () => {
        const heard = await cluster.listen(APP, "presence-c");
        for (const [connections, subscribers] of [
          [1, 1],
          [1, 1],
          [2, 2],
          [1, 1],
          [0, 0],
          [0, 0],
          [1, 1],
        ] as const) {
          await holdMember("a", connections, subscribers);
        }
        await cluster.settle();
        expect(events(heard)).toEqual(["member_added a", "member_removed a", "member_added a"]);
      });

      test("are announced in frames ready to send, which skip the socket that was the cause", async () => {
        const heard = await cluster.listen(APP, "presence-c");
        await holdMember("a", 1, 1, { infoJson: '{"name":"A"}', cause: "5.6" });
        await holdMember("b", 1, 2, { cause: "5.7" });
        await holdMember("a", 0, 1, { cause: "5.6" });
        await cluster.settle();
        const about = {
          kind: "frame",
          appId: APP,
          channel: "presence-c",
          source: "roster",
        } as const;
        expect(heard).toMatchObject([
          {
            ...about,
            frame: String.raw`{"event":"pusher_internal:member_added","channel":"presence-c","data":"{\"user_id\":\"a\",\"user_info\":{\"name\":\"A\"}}"}`,
            exceptSocketId: "5.6",
          },
          {
            ...about,
            frame: String.raw`{"event":"pusher_internal:member_added","channel":"presence-c","data":"{\"user_id\":\"b\"}"}`,
            exceptSocketId: "5.7",
          },
          {
            ...about,
            frame: String.raw`{"event":"pusher_internal:member_removed","channel":"presence-c","data":"{\"user_id\":\"a\"}"}`,
            exceptSocketId: "5.6",
          },
        ]);
      });

      test("are announced in the order of the edges, nobody waiting for an answer", async () => {
        const heard = await cluster.listen(APP, "presence-c");
        const ids = Array.from({ length: 30 }, (_, i) => `u${i}`);
        await Promise.all([
          ...ids.map((id, i) => holdMember(id, 1, i + 1)),
          ...ids.map((id, i) => holdMember(id, 0, ids.length - i - 1)),
        ]);
        await cluster.settle();
        expect(events(heard)).toEqual([
          ...ids.map((id) => `member_added ${id}`),
          ...ids.map((id) => `member_removed ${id}`),
        ]);
      });

      test("keep what they first told of themselves until they have left", async () => {
        await holdMember("a", 1, 1, { infoJson: '"first"' });
        await holdMember("a", 2, 2, { infoJson: '"second"' });
        expect((await roster.channel(APP, "presence-c")).members).toEqual([
          { userId: "a", infoJson: '"first"' },
        ]);
        await holdMember("a", 0, 0);
        await holdMember("a", 1, 1, { infoJson: '"third"' });
        expect((await roster.channel(APP, "presence-c")).members).toEqual([
          { userId: "a", infoJson: '"third"' },
        ]);
      });

      test("who was never there leaves without a word", async () => {
        const heard = await cluster.listen(APP, "presence-c");
        await holdMember("a", 1, 1);
        await holdMember("ghost", 0, 1);
        await cluster.settle();
        expect(events(heard)).toEqual(["member_added a"]);
      });

      test("may have any text as their id, and for user_info any JSON", async () => {
        const heard = await cluster.listen(APP, "presence-c");
        const info = '{"ü":"😀\\n\\u0000","__proto__":[1,{}],"big":12345678901234567890}';
        for (const [i, id] of STRANGE.entries()) await holdMember(id, 1, i + 1, { infoJson: info });
        expect(await userIds()).toEqual(STRANGE.toSorted());
        for (const member of (await roster.channel(APP, "presence-c")).members)
          expect(member.infoJson).toBe(info);
        for (const [i, id] of STRANGE.entries()) await holdMember(id, 0, STRANGE.length - i - 1);
        await cluster.settle();
        expect(events(heard)).toEqual([
          ...STRANGE.map((id) => `member_added ${id}`),
          ...STRANGE.map((id) => `member_removed ${id}`),
        ]);
        expect(await roster.channels(APP, "")).toEqual([]);
      });
    });

    describe("a full presence channel", () => {
      const FULL = { accepted: false, reason: "presence-channel-full" } as const;

      test("refuses a new user, and nothing has changed by that", async () => {
        const heard = await cluster.listen(APP, "presence-c");
        await holdMember("a", 1, 1, { maxMembers: 2 });
        await holdMember("b", 1, 2, { maxMembers: 2 });
        expect(await holdMember("c", 1, 3, { maxMembers: 2 })).toEqual(FULL);
        await cluster.settle();
        expect(await userIds()).toEqual(["a", "b"]);
        expect(await roster.channels(APP, "")).toEqual([
          { channel: "presence-c", subscribers: 2, users: 2 },
        ]);
        expect(events(heard)).toEqual(["member_added a", "member_added b"]);
      });

      test("takes another socket of a user it has, and the leaving of one it refused", async () => {
        await holdMember("a", 1, 1, { maxMembers: 1 });
        expect(await holdMember("a", 2, 2, { maxMembers: 1 })).toMatchObject({ accepted: true });
        expect(await holdMember("b", 1, 3, { maxMembers: 1 })).toEqual(FULL);
        expect(await holdMember("b", 0, 2, { maxMembers: 1 })).toMatchObject({ accepted: true });
        expect(await roster.channels(APP, "")).toEqual([
          { channel: "presence-c", subscribers: 2, users: 1 },
        ]);
      });

      test("may have room for nobody", async () => {
        expect(await holdMember("a", 1, 1, { maxMembers: 0 })).toEqual(FULL);
        expect(await roster.channels(APP, "")).toEqual([]);
      });

      test("has room again when a user left", async () => {
        await holdMember("a", 1, 1, { maxMembers: 1 });
        expect(await holdMember("b", 1, 2, { maxMembers: 1 })).toEqual(FULL);
        await holdMember("a", 0, 0, { maxMembers: 1 });
        expect(await holdMember("b", 1, 1, { maxMembers: 1 })).toMatchObject({ accepted: true });
        expect(await userIds()).toEqual(["b"]);
      });

      test("of those who come at once takes exactly as many as have room", async () => {
        const ids = Array.from({ length: 20 }, (_, i) => `u${i}`);
        const outcomes = await Promise.all(
          ids.map((id, i) => holdMember(id, 1, i + 1, { maxMembers: 5 })),
        );
        expect(outcomes.filter(({ accepted }) => accepted)).toHaveLength(5);
        expect(await userIds()).toHaveLength(5);
      });

      test("that was made smaller throws nobody out", async () => {
        await holdMember("a", 1, 1, { maxMembers: 2 });
        await holdMember("b", 1, 2, { maxMembers: 2 });
        expect(await holdMember("a", 2, 3, { maxMembers: 1 })).toMatchObject({ accepted: true });
        expect(await holdMember("c", 1, 4, { maxMembers: 1 })).toEqual(FULL);
        expect(await userIds()).toEqual(["a", "b"]);
      });
    });

    describe("the count of subscribers", () => {
      const announced = { announceCount: true } as const;

      test("is announced at every change up to 100, skipping the cause, and never twice the same", async () => {
        const heard = await cluster.listen(APP, "c");
        for (const count of [1, 2, 2, 3, 2, 100, 99])
          await hold("c", count, { ...announced, causeSocketId: "9.9" });
        await cluster.settle();
        expect(counts(heard)).toEqual([1, 2, 3, 2, 100, 99]);
        for (const message of heard) expect(message).toMatchObject({ exceptSocketId: "9.9" });
        expect((heard[0] as { frame: string }).frame).toBe(
          String.raw`{"event":"pusher_internal:subscription_count","channel":"c","data":"{\"subscription_count\":1}"}`,
        );
      });

      test("is not announced where the app does not ask for it", async () => {
        const heard = await cluster.listen(APP, "c");
        for (const count of [1, 2, 150]) await hold("c", count);
        await cluster.advance(10_000);
        await cluster.settle();
        expect(heard).toEqual([]);
      });

      test("is announced at most every five seconds above 100, and what was true at the end always", async () => {
        const heard = await cluster.listen(APP, "c");
        await hold("c", 101, announced);
        for (const count of [102, 103, 104]) await hold("c", count, announced);
        await cluster.settle();
        expect(counts(heard)).toEqual([101]);
        await cluster.advance(5_000);
        await cluster.settle();
        expect(counts(heard)).toEqual([101, 104]);
        expect(heard[1]).toMatchObject({ exceptSocketId: undefined });
        await cluster.advance(30_000);
        await cluster.settle();
        expect(counts(heard)).toEqual([101, 104]);
        await hold("c", 105, announced);
        await cluster.settle();
        expect(counts(heard)).toEqual([101, 104, 105]);
      });

      test("is announced at once when it falls back to 100, and not again at the interval's end", async () => {
        const heard = await cluster.listen(APP, "c");
        for (const count of [101, 102, 100]) await hold("c", count, announced);
        await cluster.advance(10_000);
        await cluster.settle();
        expect(counts(heard)).toEqual([101, 100]);
      });

      test("of a channel that emptied meanwhile is not announced at the interval's end", async () => {
        const heard = await cluster.listen(APP, "c");
        for (const count of [101, 102]) await hold("c", count, announced);
        await hold("c", 0, announced);
        await cluster.advance(10_000);
        await cluster.settle();
        expect(counts(heard).filter((count) => count > 0)).toEqual([101]);
      });

      test("of a channel that emptied and filled again is the new one's, also at the old interval's end", async () => {
        const heard = await cluster.listen(APP, "c");
        for (const count of [101, 102, 0, 3]) await hold("c", count, announced);
        await cluster.advance(10_000);
        await cluster.settle();
        expect(counts(heard)[0]).toBe(101);
        expect(counts(heard).at(-1)).toBe(3);
      });
    });

    describe("signed-in users", () => {
      test("are online from the first socket to the last, and their watchers hear of both once", async () => {
        const heard = await cluster.listen(APP, watchersChannel("a"));
        for (const connections of [1, 1, 2, 3, 1, 0, 0]) {
          await roster.holdUser(APP, "a", connections);
          expect(await roster.online(APP, ["a"])).toEqual(connections === 0 ? [] : ["a"]);
        }
        await cluster.settle();
        const about = {
          kind: "frame",
          appId: APP,
          channel: watchersChannel("a"),
          source: "roster",
          exceptSocketId: undefined,
        } as const;
        expect(heard).toMatchObject([
          {
            ...about,
            frame: String.raw`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"a\"]}]}"}`,
          },
          {
            ...about,
            frame: String.raw`{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"offline\",\"user_ids\":[\"a\"]}]}"}`,
          },
        ]);
        expect(heard).toHaveLength(2);
      });

      test("are answered in the order in which they were asked for", async () => {
        for (const id of ["a", "b", "c"]) await roster.holdUser(APP, id, 1);
        expect(await roster.online(APP, ["c", "x", "a", "y", "b"])).toEqual(["c", "a", "b"]);
        expect(await roster.online(APP, [])).toEqual([]);
      });

      test("are users of their app alone", async () => {
        const heard = await cluster.listen(OTHER_APP, watchersChannel("a"));
        await roster.holdUser(APP, "a", 1);
        await cluster.settle();
        expect(await roster.online(OTHER_APP, ["a"])).toEqual([]);
        expect(heard).toEqual([]);
      });

      test("may have any text as their id", async () => {
        expect(await roster.online(APP, STRANGE)).toEqual([]);
        for (const id of STRANGE) await roster.holdUser(APP, id, 1);
        expect(await roster.online(APP, STRANGE)).toEqual(STRANGE);
        for (const id of STRANGE) await roster.holdUser(APP, id, 0);
        expect(await roster.online(APP, STRANGE)).toEqual([]);
      });
    });

    describe("connections", () => {
      test("are answered with the app's sum, absolute and apart from other apps", async () => {
        expect(await roster.holdConnections(APP, 3)).toBe(3);
        expect(await roster.holdConnections(APP, 3)).toBe(3);
        expect(await roster.holdConnections(OTHER_APP, 10)).toBe(10);
        expect(await roster.holdConnections(APP, 1)).toBe(1);
        expect(await roster.holdConnections(APP, 0)).toBe(0);
        expect(await roster.holdConnections(OTHER_APP, 11)).toBe(11);
      });
    });

    describe.skipIf(nodes < 3)("several nodes", () => {
      test("add up, and each speaks for itself alone", async () => {
        const [a, b, c] = cluster.nodes;
        await hold("c", 2, {}, a);
        await hold("c", 3, {}, b);
        expect(await hold("c", 1, {}, c)).toMatchObject({ state: { subscribers: 6 } });
        await hold("c", 0, {}, b);
        expect((await a!.channel(APP, "c")).subscribers).toBe(3);
        expect(await a!.holdConnections(APP, 2)).toBe(2);
        expect(await b!.holdConnections(APP, 5)).toBe(7);
        expect(await a!.holdConnections(APP, 0)).toBe(5);
      });

      test("that race for an edge cross it once", async () => {
        const heard = await cluster.listen(APP, "presence-c");
        const watchers = await cluster.listen(APP, watchersChannel("u"));
        for (const connections of [1, 0, 1, 0]) {
          await Promise.all(
            cluster.nodes.map((on) => holdMember("u", connections, connections, { on })),
          );
          await Promise.all(cluster.nodes.map((on) => on.holdUser(APP, "u", connections)));
        }
        await cluster.settle();
        const edges = ["member_added u", "member_removed u"];
        expect(events(heard)).toEqual([...edges, ...edges]);
        expect(watchers).toHaveLength(4);
      });

      test("share the room of a presence channel", async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 30 }, (_, i) =>
            holdMember(`u${i}`, 1, Math.floor(i / 3) + 1, {
              maxMembers: 7,
              on: cluster.nodes[i % 3]!,
            }),
          ),
        );
        expect(outcomes.filter(({ accepted }) => accepted)).toHaveLength(7);
        expect(await userIds()).toHaveLength(7);
      });
    });

    describe("the event log", () => {
      const edges = { record: "edges" } as const;
      const counted = { record: "edges-and-counts", announceCount: true } as const;

      /** As `channel_occupied c`, `member_added presence-c a`, `subscription_count c 3`. */
      async function recorded(appId = APP): Promise<string[]> {
        await cluster.settle();
        return (await cluster.recorded())
          .filter((entry) => entry.appId === appId)
          .map(({ event }) => Object.values(event).join(" "));
      }

      test("gets the edges of a channel and nothing between them", async () => {
        for (const subscribers of [1, 2, 1, 0, 0, 3, 0]) await hold("c", subscribers, edges);
        expect(await recorded()).toEqual([
          "channel_occupied c",
          "channel_vacated c",
          "channel_occupied c",
          "channel_vacated c",
        ]);
      });

      test("gets the edges of members, inside those of their channel", async () => {
        await holdMember("a", 1, 1, edges);
        await holdMember("b", 1, 2, edges);
        await holdMember("a", 2, 3, edges);
        await holdMember("a", 1, 2, edges);
        await holdMember("a", 0, 1, edges);
        await holdMember("b", 0, 0, edges);
        expect(await recorded()).toEqual([
          "channel_occupied presence-c",
          "member_added presence-c a",
          "member_added presence-c b",
          "member_removed presence-c a",
          "member_removed presence-c b",
          "channel_vacated presence-c",
        ]);
      });

      test("gets nothing where nobody asks, and nothing of what was refused", async () => {
        for (const subscribers of [1, 0]) await hold("c", subscribers);
        await holdMember("a", 1, 1, { ...edges, maxMembers: 1 });
        await holdMember("b", 1, 2, { ...edges, maxMembers: 1 });
        expect(await recorded()).toEqual([
          "channel_occupied presence-c",
          "member_added presence-c a",
        ]);
      });

      test("begins with what is when somebody asks later, and ends although nobody asks any more", async () => {
        await holdMember("a", 1, 1);
        await holdMember("b", 1, 2);
        expect(await recorded()).toEqual([]);
        await hold("presence-c", 2, { ...edges, causeSocketId: undefined });
        await hold("presence-c", 2, { ...edges, causeSocketId: undefined });
        const [first, ...members] = await recorded();
        expect(first).toBe("channel_occupied presence-c");
        expect(members.toSorted()).toEqual([
          "member_added presence-c a",
          "member_added presence-c b",
        ]);
        await holdMember("a", 0, 1);
        await holdMember("b", 0, 0);
        expect((await recorded()).slice(3)).toEqual([
          "member_removed presence-c a",
          "member_removed presence-c b",
          "channel_vacated presence-c",
        ]);
      });

      test("gets each count that subscribers are told, the late one too, and a 0 at the end", async () => {
        await hold("c", 1, counted);
        await hold("c", 101, counted);
        await hold("c", 150, counted);
        await hold("c", 151, counted);
        // 101 comes within five seconds of 1, and has to wait: by then it is 151.
        expect(await recorded()).toEqual(["channel_occupied c", "subscription_count c 1"]);
        await cluster.advance(5_000);
        await hold("c", 0, counted);
        expect((await recorded()).slice(-3)).toEqual([
          "subscription_count c 151",
          "subscription_count c 0",
          "channel_vacated c",
        ]);
      });

      test("gets no count where only edges are asked for", async () => {
        await hold("c", 1, { ...edges, announceCount: true });
        await hold("c", 0, { ...edges, announceCount: true });
        expect(await recorded()).toEqual(["channel_occupied c", "channel_vacated c"]);
      });

      test("keeps apps apart, and takes strange names as they are", async () => {
        for (const userId of STRANGE) {
          await holdMember(userId, 1, 1, { ...edges, appId: OTHER_APP });
          await holdMember(userId, 0, 0, { ...edges, appId: OTHER_APP });
        }
        expect(await recorded(APP)).toEqual([]);
        expect(await recorded(OTHER_APP)).toEqual(
          STRANGE.flatMap((userId) => [
            "channel_occupied presence-c",
            `member_added presence-c ${userId}`,
            `member_removed presence-c ${userId}`,
            "channel_vacated presence-c",
          ]),
        );
      });
    });

    describe.skipIf(nodes < 3)("the death of a node", () => {
      test("withdraws what it held, and tells of the edges as if it had said so itself", async () => {
        const [a, b] = cluster.nodes;
        await holdMember("stays", 1, 1, { on: a! });
        await holdMember("stays", 1, 1, { on: b! });
        await holdMember("goes", 1, 2, { on: b! });
        await hold("c", 4, { announceCount: true }, b);
        await hold("c", 5, { announceCount: true }, a);
        await b!.holdUser(APP, "goes", 1);
        await b!.holdConnections(APP, 7);
        await cluster.settle();
        const heard = await cluster.listen(APP, "presence-c");
        const watchers = await cluster.listen(APP, watchersChannel("goes"));
        const counted = await cluster.listen(APP, "c");
        if (cluster.kill === undefined)
          throw new Error("An engine of several nodes must tell how one dies.");
        await cluster.kill(1);
        await cluster.settle();
        expect(events(heard)).toEqual(["member_removed goes"]);
        expect(watchers).toHaveLength(1);
        expect(counts(counted)).toEqual([5]);
        expect(await userIds()).toEqual(["stays"]);
        expect(await a!.online(APP, ["goes"])).toEqual([]);
        expect(await a!.holdConnections(APP, 1)).toBe(1);
      });
    });
  });
}

interface DecodedFrame {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function decode(message: BusMessage): DecodedFrame {
  if (message.kind !== "frame") throw new Error("The Roster announces frames only.");
  const { event, data } = JSON.parse(message.frame) as { event: string; data: string };
  return { event, data: JSON.parse(data) as Record<string, unknown> };
}

/** As `member_added a`. */
function events(messages: readonly BusMessage[]): string[] {
  return messages
    .map(decode)
    .map(
      ({ event, data }) => `${event.replace("pusher_internal:", "")} ${String(data["user_id"])}`,
    );
}

function counts(messages: readonly BusMessage[]): number[] {
  return messages.map(decode).map(({ data }) => Number(data["subscription_count"]));
}
