import { afterEach, describe, expect, test } from "bun:test";
import { systemClock, type Clock } from "../../../src/channels/ports/clock.ts";
import type { RedisSubscriber } from "../../../src/stores/redis/connection.ts";
import { RedisClient } from "../../../src/stores/redis/client/redis-client.ts";
import type { RedisSettings } from "../../../src/stores/redis/settings.ts";
import { slotOf } from "../../../src/stores/redis/client/slot.ts";
import {
  bulk,
  error,
  FakeRedis,
  info,
  list,
  type FakeConnection,
} from "../../support/fake-redis.ts";
import { until } from "../../support/redis-cluster.ts";
import { at, redisSettings } from "../../support/redis-settings.ts";
import { recorder, type LogEntry } from "../../support/ring.ts";

const NO_RESP = "what came on a connection to Redis for subscriptions is no RESP2: making another";
const LISTENER_FAILED = "could not handle a message from Redis: it is lost";

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

/** A server that only answers when it is told to, in order; what it was sent, one channel each. */
class PubSub {
  readonly fake: FakeRedis;
  readonly #owed: (() => void)[] = [];
  connection: FakeConnection | undefined;
  /** Answers at once. */
  isPrompt = true;
  /** What it says to whoever subscribes, to some channels only. */
  refusal: string | undefined;
  refused = "";

  private constructor(fake: FakeRedis) {
    this.fake = fake;
    fake.script = (command, connection) => {
      const answer = this.#answer(command, connection);
      if (answer === undefined) return undefined;
      if (this.isPrompt) return answer;
      this.#owed.push(() => connection.push(answer));
      return undefined;
    };
  }

  static async start(): Promise<PubSub> {
    const server = new PubSub(await FakeRedis.start(() => undefined));
    opened.push(server.fake);
    return server;
  }

  get owed(): number {
    return this.#owed.length;
  }

  /** The next answers. */
  give(count = this.#owed.length): void {
    for (const answer of this.#owed.splice(0, count)) answer();
  }

  push(...items: readonly (string | number)[]): void {
    this.connection?.push(list(...items));
  }

  #answer([name = "", ...rest]: readonly string[], connection: FakeConnection): string | undefined {
    if (name === "INFO") return info({ isCluster: this.slots !== undefined });
    if (name === "CLUSTER") return this.slots?.();
    if (name === "PING") return rest[0] === undefined ? "+PONG\r\n" : list("pong", rest[0]);
    this.connection = connection;
    const isRefused = name === "SSUBSCRIBE" && rest.some((one) => one.startsWith(this.refused));
    if (this.refusal !== undefined && isRefused) return error(this.refusal);
    return rest.map((channel) => list(name.toLowerCase(), channel, 1)).join("");
  }

  slots: (() => string) | undefined;
}

interface Listening {
  readonly client: RedisClient;
  readonly subscriber: RedisSubscriber;
  readonly heard: string[];
  readonly missed: string[];
  readonly logged: readonly LogEntry[];
}

async function listening(
  place: Partial<RedisSettings>,
  port = 0,
  clock = systemClock,
): Promise<Listening> {
  const logged: LogEntry[] = [];
  const client = new RedisClient({
    settings: redisSettings(port, { connectTimeoutMs: 500, commandTimeoutMs: 500, ...place }),
    clock,
    log: recorder(logged),
    // Pauses of 25, 50, 100 ms and so on.
    random: () => 0.5,
  });
  opened.push(client);
  await client.open();
  const heard: string[] = [];
  const missed: string[] = [];
  const subscriber = client.subscriber({
    message: (channel, text) => heard.push(`${channel} ${text}`),
    missed: (channels) => missed.push(...channels),
  });
  return { client, subscriber, heard, missed, logged };
}

/** Becomes true when the promise has resolved. */
function standing(promise: Promise<unknown>): { isSo: boolean } {
  const state = { isSo: false };
  void promise.then(() => (state.isSo = true));
  return state;
}

describe("a subscriber", () => {
  test("says what it wants in one command for all of a slot, in slices", async () => {
    const server = await PubSub.start();
    const { subscriber } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}first");
    const channels = Array.from({ length: 1_200 }, (_, i) => `{${i % 2 === 0 ? "a" : "b"}}${i}`);
    await Promise.all(channels.map((channel) => subscriber.subscribe(channel)));
    const commands = server.fake.sent("SSUBSCRIBE").slice(1);
    expect(commands.flatMap(([, ...names]) => names).toSorted()).toEqual(channels.toSorted());
    expect(commands.map(({ length }) => length - 1)).toEqual([500, 100, 500, 100]);
    for (const [, ...names] of commands) expect(new Set(names.map(slotOf)).size).toBe(1);
  });

  test("gives others their turn while it says that it wants very much", async () => {
    const server = await PubSub.start();
    const turns: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      after: (delayMs, callback) => {
        if (delayMs > 0) return systemClock.after(delayMs, callback);
        turns.push(callback);
        return () => {};
      },
    };
    const { subscriber } = await listening({}, server.fake.port, clock);
    await subscriber.subscribe("{a}first");
    const channels = Array.from({ length: 12_000 }, (_, i) => `{${i % 7}}${i}`);
    const all = standing(Promise.all(channels.map((channel) => subscriber.subscribe(channel))));
    for (const expected of [5_000, 10_000]) {
      await until("it wants its next turn", async () => turns.length > 0);
      // A PING ends what is said in one turn.
      const round = `${expected / 5_000 + 1}`;
      await until("all was heard", async () => server.fake.sent("PING").at(-1)?.[1] === round);
      const asked = server.fake.sent("SSUBSCRIBE").flatMap(([, ...names]) => names);
      expect(asked).toHaveLength(expected + 1);
      turns.shift()?.();
    }
    await until("all stand", async () => all.isSo);
  });

  test("takes no answer to an earlier wish for that to the last", async () => {
    const server = await PubSub.start();
    const { subscriber, heard } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}other");
    server.isPrompt = false;
    void subscriber.subscribe("{a}c");
    await until("it is asked", async () => server.owed === 2);
    subscriber.unsubscribe("{a}c");
    const again = standing(subscriber.subscribe("{a}c"));
    await until("it is asked again", async () => server.owed === 5);
    // Of the first wish, and its PING; another channel's message shows that they were read.
    server.give(2);
    server.push("smessage", "{a}other", "read");
    await until("they are read", async () => heard.length === 1);
    expect(again.isSo).toBe(false);
    server.give();
    await until("it stands", async () => again.isSo);
  });

  test("sends nothing of a wish that was taken back in the same turn", async () => {
    const server = await PubSub.start();
    const { subscriber } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}other");
    void subscriber.subscribe("{a}c");
    subscriber.unsubscribe("{a}c");
    await subscriber.subscribe("{a}last");
    expect(server.fake.commands.flat()).not.toContain("{a}c");
  });

  test("asks again for what was refused, and for nothing else", async () => {
    const server = await PubSub.start();
    const { subscriber, missed, logged } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}there");
    server.refusal = "NOPERM this user has no permissions to access one of the channels";
    const refused = standing(subscriber.subscribe("{b}c"));
    await until("it is refused again", async () => server.fake.sent("SSUBSCRIBE").length > 3);
    expect(refused.isSo).toBe(false);
    server.refusal = undefined;
    await until("it stands", async () => refused.isSo);
    const asked = server.fake.sent("SSUBSCRIBE").map(([, ...names]) => names.join());
    expect(asked.filter((names) => names.includes("there"))).toEqual(["{a}there"]);
    expect(missed).toEqual([]);
    expect(logged.some(({ level }) => level === "error")).toBe(true);
  });

  test("does not ask for what was refused whenever it wants something else", async () => {
    const server = await PubSub.start();
    const { subscriber } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}first");
    server.refusal = "CLUSTERDOWN Hash slot not served";
    server.refused = "{b}";
    const refused = standing(subscriber.subscribe("{b}c"));
    await until("it is refused some times", async () => server.fake.sent("SSUBSCRIBE").length > 4);
    const before = server.fake.commands.length;
    for (let i = 0; i < 20; i++) await subscriber.subscribe(`{a}${i}`);
    const asked = server.fake.commands.slice(before).filter((names) => names.includes("{b}c"));
    expect(asked.length).toBeLessThan(3);
    server.refusal = undefined;
    await until("it stands", async () => refused.isSo);
  });

  test("does not ask again for what was refused when nobody wants it any more", async () => {
    const server = await PubSub.start();
    const { subscriber } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}first");
    server.isPrompt = false;
    server.refusal = "CLUSTERDOWN Hash slot not served";
    void subscriber.subscribe("{b}gone");
    const wanted = standing(subscriber.subscribe("{b}wanted"));
    await until("they are asked", async () => server.owed === 2);
    subscriber.unsubscribe("{b}gone");
    server.refusal = undefined;
    server.isPrompt = true;
    server.give();
    await until("the other stands", async () => wanted.isSo);
    const asked = server.fake.sent("SSUBSCRIBE").map(([, ...names]) => names);
    expect(asked).toEqual([["{a}first"], ["{b}gone", "{b}wanted"], ["{b}wanted"]]);
  });

  test("asks again for what the server has ended by itself, and tells that something was missed", async () => {
    const server = await PubSub.start();
    const { subscriber, heard, missed } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}c");
    server.isPrompt = false;
    server.push("sunsubscribe", "{a}c", 0);
    await until("it is known", async () => !subscriber.isWell);
    const again = standing(subscriber.subscribe("{a}c"));
    await until("it is asked again", async () => server.owed > 0);
    expect([again.isSo, missed]).toEqual([false, []]);
    server.give();
    await until("it is told", async () => missed.length === 1);
    expect([again.isSo, missed]).toEqual([true, ["{a}c"]]);
    server.push("smessage", "{a}c", "hello");
    await until("it is heard", async () => heard.length === 1);
    expect(subscriber.isWell).toBe(true);
  });

  test("does not take the answer to its own unsubscribe for the server's", async () => {
    const server = await PubSub.start();
    const { subscriber, missed } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}c");
    subscriber.unsubscribe("{a}c");
    await subscriber.subscribe("{a}c");
    await subscriber.subscribe("{a}d");
    expect(missed).toEqual([]);
    expect(server.fake.sent("SSUBSCRIBE")).toHaveLength(3);
  });

  test("gives up a line on which there is no RESP, and says why", async () => {
    const server = await PubSub.start();
    const { subscriber, missed, logged } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}c");
    server.connection?.push("HTTP/1.1 400 Bad Request\r\n");
    await until("it is told", async () => missed.length === 1);
    const said = logged.find(({ message }) => message === NO_RESP);
    expect(said).toMatchObject({
      level: "error",
      fields: {
        err: { message: 'no RESP2: a reply begins with "H"' },
        servers: [`127.0.0.1:${server.fake.port}`],
      },
    });
  });

  test("loses the message that its listener fails at, with a word, and neither the line nor the next", async () => {
    const server = await PubSub.start();
    const { client, logged } = await listening({}, server.fake.port);
    const heard: string[] = [];
    const missed: string[] = [];
    const subscriber = client.subscriber({
      message(_channel, text) {
        if (text === "poison") throw new Error("a fault of ours");
        heard.push(text);
      },
      missed: (channels) => missed.push(...channels),
    });
    await subscriber.subscribe("{a}c");
    const { connections } = server.fake;
    server.connection?.push(
      ["poison", "whole"].map((text) => list("smessage", "{a}c", text)).join(""),
    );
    await until("the next is heard", async () => heard.length === 1);
    server.push("smessage", "{a}c", "later");
    await until("later ones too", async () => heard.length === 2);
    expect(heard).toEqual(["whole", "later"]);
    expect([missed, server.fake.connections]).toEqual([[], connections]);
    const said = logged.filter(({ level }) => level === "error");
    expect(said).toMatchObject([{ message: LISTENER_FAILED }]);
    expect(said[0]?.fields).toMatchObject({ err: { message: "a fault of ours" } });
  });

  test("that is closed rejects whoever waits, and connects no more", async () => {
    const server = await PubSub.start();
    const { subscriber } = await listening({}, server.fake.port);
    await subscriber.subscribe("{a}c");
    server.isPrompt = false;
    const waiting = subscriber.subscribe("{a}d").catch(({ kind }: { kind: string }) => kind);
    await subscriber.close();
    expect((await waiting) as unknown).toBe("unreachable");
    const { connections } = server.fake;
    server.connection?.drop();
    await Bun.sleep(200);
    expect(server.fake.connections).toBe(connections);
  });
});

describe("a subscriber of a Cluster", () => {
  async function cluster() {
    const [left, right] = [await PubSub.start(), await PubSub.start()];
    let ends = 8_000;
    const slots = (): string => {
      const range = (first: number, last: number, { fake }: PubSub): string =>
        `*3\r\n:${first}\r\n:${last}\r\n*2\r\n${bulk("127.0.0.1")}:${fake.port}\r\n`;
      return `*2\r\n${range(0, ends, left)}${range(ends + 1, 16_383, right)}`;
    };
    left.slots = slots;
    right.slots = slots;
    const nodes = [at(left.fake.port), at(right.fake.port)];
    const listener = await listening({ place: { mode: "cluster", nodes } });
    return { left, right, listener, move: (last: number) => (ends = last) };
  }

  // {b} is 3300, {a} 15495 and {d} 11298.
  test("is served by one server while another is away, however much waits for that", async () => {
    const { left, right, listener } = await cluster();
    const { subscriber } = listener;
    await Promise.all([subscriber.subscribe("{a}0"), subscriber.subscribe("{b}0")]);
    await left.fake.close();
    await until("it is known", async () => !subscriber.isWell);
    for (let i = 1; i < 12_000; i++) void subscriber.subscribe(`{b}${i}`).catch(() => {});
    await subscriber.subscribe("{a}1");
    expect(right.fake.commands.flat()).toContain("{a}1");
    await left.fake.listen();
    await until("all stand", async () => subscriber.isWell);
    await subscriber.subscribe("{b}11999");
  });

  test("goes with a slot that moves, and hears no more of the old server", async () => {
    const { left, right, listener, move } = await cluster();
    const { subscriber, heard, missed } = listener;
    // 1584: it stays, and so does the line.
    await Promise.all([subscriber.subscribe("{b}c"), subscriber.subscribe("{3}stays")]);
    expect(left.fake.sent("SSUBSCRIBE")).toHaveLength(2);
    move(3_000);
    left.refusal = `MOVED ${slotOf("{b}")} 127.0.0.1:${right.fake.port}`;
    left.push("sunsubscribe", "{b}c", 0);
    await until("it is told", async () => missed.length === 1);
    left.push("smessage", "{b}c", "late");
    left.push("smessage", "{3}stays", "behind it");
    await until("it is heard", async () => heard.length > 0);
    right.push("smessage", "{b}c", "new");
    await until("it is heard as well", async () => heard.length > 1);
    expect(heard).toEqual(["{3}stays behind it", "{b}c new"]);
    await until("it is well", async () => subscriber.isWell);
  });

  test("does not let one slot that is refused hold up the others of its server", async () => {
    const { right, listener } = await cluster();
    const { subscriber } = listener;
    await subscriber.subscribe("{a}c");
    right.refusal = "CLUSTERDOWN Hash slot not served";
    const refused = standing(subscriber.subscribe("{d}c"));
    await until("it is refused", async () => right.fake.sent("SSUBSCRIBE").length > 1);
    right.refusal = undefined;
    await subscriber.subscribe("{a}d");
    await until("it stands at last", async () => refused.isSo);
  });
});
