import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../../../src/channels/ports/clock.ts";
import { RedisFault, type RedisFaultKind } from "../../../src/stores/redis/connection.ts";
import { RedisClient } from "../../../src/stores/redis/client/redis-client.ts";
import { script } from "../../../src/stores/redis/script.ts";
import type { RedisSettings } from "../../../src/stores/redis/settings.ts";
import {
  bulk,
  error,
  FakeRedis,
  info,
  PONG,
  type Answer,
  type FakeConnection,
} from "../../support/fake-redis.ts";
import { until } from "../../support/redis-cluster.ts";
import { at, redisSettings } from "../../support/redis-settings.ts";
import { recorder, type LogEntry } from "../../support/ring.ts";

const FIRST = script("first", "return 1");
const SECOND = script("second", "return 2");

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

interface World {
  readonly fake: FakeRedis;
  readonly client: RedisClient;
  readonly logged: readonly LogEntry[];
}

/** A client, not open yet, of a server in good health that answers as it is told. */
async function world(
  answer: (command: readonly string[], connection: FakeConnection) => Answer,
  settings: Partial<RedisSettings> = {},
): Promise<World> {
  const fake = await FakeRedis.start((command, connection) => {
    const answered = answer(command, connection);
    return answered ?? (command[0] === "INFO" ? info() : undefined);
  });
  const { client, logged } = clientOf(fake.port, settings);
  opened.push(fake, client);
  return { fake, client, logged };
}

function clientOf(port: number, settings: Partial<RedisSettings> = {}) {
  const logged: LogEntry[] = [];
  const client = new RedisClient({
    settings: redisSettings(port, { connectTimeoutMs: 500, commandTimeoutMs: 500, ...settings }),
    clock: systemClock,
    log: recorder(logged),
    random: Math.random,
  });
  return { client, logged };
}

async function faultOf(call: Promise<unknown>): Promise<RedisFaultKind | undefined> {
  try {
    await call;
    return undefined;
  } catch (fault) {
    expect(fault).toBeInstanceOf(RedisFault);
    return (fault as RedisFault).kind;
  }
}

describe("a client that opens", () => {
  test("refuses a server that is too old, and says what it needs", async () => {
    const { client } = await world(([name]) =>
      name === "INFO" ? info({ version: "6.2.14" }) : undefined,
    );
    const fault = await client.open().catch((thrown: RedisFault) => thrown);
    expect(fault).toMatchObject({ kind: "refused" });
    expect(String(fault)).toContain("6.2.14");
    expect(String(fault)).toContain("7 or later");
  });

  test("takes a Valkey, which calls itself Redis 7.2.4", async () => {
    const valkey = info({ version: "7.2.4" });
    const { client } = await world(([name]) => (name === "INFO" ? valkey : undefined));
    await client.open();
    expect(client.isWell).toBe(true);
  });

  test("refuses a node of a Cluster that is configured as a server of its own", async () => {
    const { client } = await world(([name]) =>
      name === "INFO" ? info({ isCluster: true }) : undefined,
    );
    expect(await faultOf(client.open())).toBe("refused");
  });

  test.each<[string, string]>([
    ["loads its data", info({ isLoading: true })],
    ["is a replica", info({ role: "slave" })],
    ["has no connection left", error("ERR max number of clients reached")],
  ])("waits for a server that %s, calls failing meanwhile", async (_, first) => {
    let answer = first;
    const { client, logged } = await world(([name]) => (name === "INFO" ? answer : ":1\r\n"));
    const opening = client.open();
    await until("it was noticed", async () => logged.length > 0);
    expect(client.isWell).toBe(false);
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("not-ready");
    answer = info();
    await opening;
    expect(await client.run(FIRST, ["{a}"], [])).toBe(1);
  });

  test("goes on when the connection breaks in the middle of the greeting", async () => {
    const fake = await FakeRedis.start(([name], connection) => {
      if (name !== "INFO") return PONG;
      if (connection.number > 3) return info();
      connection.drop();
      return undefined;
    });
    const { client } = clientOf(fake.port);
    opened.push(fake, client);
    await client.open();
    expect(fake.connections).toBe(4);
  });

  test("takes a name that does not resolve for a server that is away", async () => {
    const address = { host: "nobody.invalid", port: 1 };
    const { client, logged } = clientOf(1, { place: { mode: "standalone", address, database: 0 } });
    const opening = faultOf(client.open());
    await until("it was tried more than once", async () => logged.length > 1);
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("unreachable");
    await client.close();
    expect(await opening).toBe("unreachable");
  });

  test("that is closed meanwhile says so to whoever waits", async () => {
    const { client } = clientOf(1);
    const opening = faultOf(client.open());
    await client.close();
    expect(await opening).toBe("unreachable");
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("unreachable");
    const subscriber = client.subscriber({ message() {}, missed() {} });
    expect(await faultOf(subscriber.subscribe("{a}"))).toBe("unreachable");
  });
});

describe("a call", () => {
  test.each<[string, RedisFaultKind]>([
    ["LOADING Redis is loading the dataset in memory", "not-ready"],
    ["TRYAGAIN Multiple keys request during rehashing of slot", "not-ready"],
    ["OOM command not allowed when used memory > 'maxmemory'.", "full"],
    ["MISCONF Redis is configured to save RDB snapshots", "full"],
    ["NOPERM this user has no permissions", "denied"],
    ["ERR something else", "refused"],
  ])("that is answered %p is sent once, and rejected as %p", async (message, kind) => {
    const { client, fake } = await world(([name]) =>
      name === "INFO" ? undefined : error(message),
    );
    await client.open();
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe(kind);
    expect(fake.sent("EVAL").length + fake.sent("EVALSHA").length).toBe(1);
    expect(client.figures().faults).toEqual(new Map([[kind, 1]]));
    expect(client.isWell).toBe(true);
  });

  test("teaches the server a script before anything can overtake it, and once", async () => {
    const { client, fake } = await world(() => ":1\r\n");
    await client.open();
    await Promise.all([
      client.run(FIRST, ["{a}"], []),
      client.run(FIRST, ["{a}"], ["again"]),
      client.publish("{a}", "hello"),
    ]);
    expect(fake.commands.slice(1)).toEqual([
      ["EVAL", FIRST.source, "1", "{a}"],
      ["EVALSHA", FIRST.hash, "1", "{a}", "again"],
      ["SPUBLISH", "{a}", "hello"],
    ]);
  });

  test("teaches it again where it has forgotten, and gives up where it does not learn", async () => {
    const noScript = error("NOSCRIPT No matching script. Please use EVAL.");
    const { client, fake } = await world(([name]) => (name === "EVALSHA" ? noScript : ":1\r\n"));
    await client.open();
    await client.run(FIRST, ["{a}"], []);
    expect(await client.run(FIRST, ["{a}"], [])).toBe(1);
    expect(fake.sent("EVAL")).toHaveLength(2);
    fake.script = () => noScript;
    expect(await faultOf(client.run(SECOND, ["{a}"], []))).toBe("refused");
    expect(fake.sent("EVAL").length + fake.sent("EVALSHA").length).toBeLessThan(10);
  });

  test("that is not answered is rejected in time, and the line with it when nothing else comes", async () => {
    const { client, fake } = await world(() => undefined);
    await client.open();
    const beganAtMs = performance.now();
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("timeout");
    const tookMs = performance.now() - beganAtMs;
    expect(tookMs).toBeGreaterThan(400);
    expect(tookMs).toBeLessThan(800);
    expect(client.figures().lost).toBe(1);
    await until("there is another line", async () => client.isWell);
    expect(fake.connections).toBe(2);
    expect(client.figures().reconnects).toBe(1);
  });

  test("that is late alone is rejected alone, and its answer is nobody else's", async () => {
    const owed: (() => void)[] = [];
    const { client } = await world(([name, ...rest], { push }) => {
      if (name !== "INFO") owed.push(() => push(bulk(rest.at(-1) ?? "")));
      return undefined;
    });
    await client.open();
    const say = (text: string): Promise<unknown> => client.run(FIRST, ["{a}"], [text]);
    const calls = ["a", "b", "c"].map((text) => faultOf(say(text)));
    await until("all arrived", async () => owed.length === 3);
    // Late enough that something was heard of the server when the others are overdue.
    await Bun.sleep(200);
    owed[0]?.();
    expect(await Promise.all(calls)).toEqual([undefined, "timeout", "timeout"]);
    expect(client.figures().lost).toBe(0);
    const next = say("d");
    await until("it arrived", async () => owed.length === 4);
    for (const answer of owed.slice(1)) answer();
    expect(await next).toBe("d");
    expect(client.isWell).toBe(true);
  });

  test("that was not answered when the line broke is rejected, and not sent again", async () => {
    const { client, fake } = await world(([, , text], { drop }) => {
      if (text === "break") drop();
      return undefined;
    });
    await client.open();
    const calls = [
      client.run(FIRST, ["{a}"], []),
      client.publish("{a}", "x"),
      client.publish("{a}", "break"),
    ];
    for (const call of calls) expect(await faultOf(call)).toBe("unreachable");
    await until("it is well again", async () => client.isWell);
    expect([fake.sent("EVAL").length, fake.sent("SPUBLISH").length]).toEqual([1, 2]);
  });

  test("that a replica answers makes it look who is the primary now", async () => {
    const { client, fake } = await world(([name]) =>
      name === "INFO" ? undefined : error("READONLY You can't write against a read only replica."),
    );
    await client.open();
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("not-ready");
    expect(client.isWell).toBe(false);
    fake.script = ([name]) => (name === "INFO" ? info({ role: "slave" }) : undefined);
    await until("it has looked", async () => fake.connections >= 3);
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("not-ready");
    fake.script = ([name]) => (name === "INFO" ? info() : ":1\r\n");
    await until("there is a primary again", async () => client.isWell);
    expect(await client.run(FIRST, ["{a}"], [])).toBe(1);
  });
});

describe("an outage", () => {
  test("is told once when it begins and once when it is over, of however many attempts", async () => {
    const { client, fake, logged } = await world(() => ":1\r\n");
    await client.open();
    await fake.close();
    await until("it was tried a few times", async () => logged.length > 5);
    await fake.listen();
    await until("it is over", async () => client.isWell);
    const told = logged.filter(({ level }) => level !== "debug");
    expect(told.map(({ level }) => level)).toEqual(["info", "error", "info"]);
    expect(told.at(-1)?.fields).toMatchObject({ awayMs: expect.any(Number) });
  });

  test("of a server that lets everybody in and throws everybody out is no reason to hurry", async () => {
    const fake = await FakeRedis.start((_, connection) => {
      setTimeout(() => connection.drop(), 1);
      return info();
    });
    const { client } = clientOf(fake.port);
    opened.push(fake, client);
    void client.open().catch(() => {});
    await Bun.sleep(1_500);
    // Pauses of 0…50, 0…100, 0…200 ms and so on: without them there would be hundreds.
    expect(fake.connections).toBeGreaterThan(1);
    expect(fake.connections).toBeLessThan(30);
  });

  test("of one that stands still is no connection, though the system takes connections for it", async () => {
    const { client, fake, logged } = await world(() => ":1\r\n", { connectTimeoutMs: 200 });
    await client.open();
    fake.script = () => undefined;
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("timeout");
    await until("others were made in vain", async () => fake.connections > 3);
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("unreachable");
    expect(logged.filter(({ level }) => level !== "debug")).toHaveLength(2);
  });
});

describe("a client of a Cluster", () => {
  function slotsOf(port: number): string {
    return `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${bulk("127.0.0.1")}:${port}\r\n`;
  }

  async function node(answer: (command: readonly string[], self: FakeRedis) => Answer) {
    const fake: FakeRedis = await FakeRedis.start((command) => {
      if (command[0] === "INFO") return info({ isCluster: true });
      if (command[0] === "PING") return PONG;
      return answer(command, fake);
    });
    opened.push(fake);
    return fake;
  }

  async function clientOfCluster(fake: FakeRedis): Promise<RedisClient> {
    const { client } = clientOf(0, { place: { mode: "cluster", nodes: [at(1), at(fake.port)] } });
    opened.push(client);
    await client.open();
    return client;
  }

  test("declares a key that nobody has, so that no script stops half way while its slot moves", async () => {
    const fake = await node(([name], { port }) => (name === "CLUSTER" ? slotsOf(port) : ":1\r\n"));
    const client = await clientOfCluster(fake);
    await client.run(FIRST, ["p:{a}:x", "p:{a}:y"], ["z"]);
    expect(fake.sent("EVAL")).toEqual([
      ["EVAL", FIRST.source, "3", "p:{a}:x", "p:{a}:y", "p:{a}:nobody", "z"],
    ]);
  });

  test("does not run at the new place what is only half there", async () => {
    const target = await node(() => ":1\r\n");
    const fake = await node(([name], { port }) =>
      name === "CLUSTER" ? slotsOf(port) : error(`ASK 1 127.0.0.1:${target.port}`),
    );
    const client = await clientOfCluster(fake);
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("not-ready");
    expect(target.commands).toEqual([]);
  });

  test("follows a slot to where it is, with the text of the script", async () => {
    const target = await node(() => ":1\r\n");
    const fake = await node(([name], { port }) =>
      name === "CLUSTER" ? slotsOf(port) : error(`MOVED 1 127.0.0.1:${target.port}`),
    );
    const client = await clientOfCluster(fake);
    expect(await client.run(FIRST, ["{a}"], [])).toBe(1);
    expect(target.sent("EVAL")).toHaveLength(1);
  });

  test("does not go round in circles", async () => {
    const fake = await node(([name], { port }) =>
      name === "CLUSTER" ? slotsOf(port) : error(`MOVED 1 127.0.0.1:${port}`),
    );
    const client = await clientOfCluster(fake);
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("not-ready");
    expect(fake.sent("EVAL").length + fake.sent("EVALSHA").length).toBeLessThan(10);
  });

  test("follows no longer than a call may take", async () => {
    const silent = await FakeRedis.start(() => undefined);
    const fake = await node(([name], { port }) =>
      name === "CLUSTER" ? slotsOf(port) : error(`MOVED 1 127.0.0.1:${silent.port}`),
    );
    opened.push(silent);
    const { client } = clientOf(0, {
      place: { mode: "cluster", nodes: [at(fake.port)] },
      connectTimeoutMs: 5_000,
    });
    opened.push(client);
    await client.open();
    const beganAtMs = performance.now();
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("timeout");
    expect(performance.now() - beganAtMs).toBeLessThan(900);
  });

  test("rejects what is in a slot that no server has, and is not well", async () => {
    const half = (port: number): string =>
      `*1\r\n*3\r\n:0\r\n:8000\r\n*2\r\n${bulk("127.0.0.1")}:${port}\r\n`;
    let isWhole = true;
    const fake = await node(([name], { port }) => {
      if (name !== "CLUSTER") return error("CLUSTERDOWN Hash slot not served");
      return isWhole ? slotsOf(port) : half(port);
    });
    const client = await clientOfCluster(fake);
    isWhole = false;
    // {a} is 15495.
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("not-ready");
    await until("it knows", async () => !client.isWell);
    const sent = fake.sent("EVALSHA").length;
    expect(await faultOf(client.run(FIRST, ["{a}"], []))).toBe("not-ready");
    expect(fake.sent("EVALSHA")).toHaveLength(sent);
    isWhole = true;
    await until("it is whole again", async () => client.isWell);
  });

  test("takes an empty name for that of the node which says so", async () => {
    const nameless = (port: number): string =>
      `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:${port}\r\n`;
    const fake = await node(([name], { port }) => (name === "CLUSTER" ? nameless(port) : ":1\r\n"));
    const client = await clientOfCluster(fake);
    expect(await client.run(FIRST, ["{a}"], [])).toBe(1);
  });

  test("refuses a server that belongs to none", async () => {
    const fake = await FakeRedis.start(([name]) =>
      name === "INFO" ? info() : error("ERR This instance has cluster support disabled"),
    );
    const { client } = clientOf(0, { place: { mode: "cluster", nodes: [at(fake.port)] } });
    opened.push(fake, client);
    expect(await faultOf(client.open())).toBe("refused");
  });
});
