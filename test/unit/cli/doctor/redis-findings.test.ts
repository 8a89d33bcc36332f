import { describe, expect, test } from "bun:test";
import {
  redisFindings,
  type RedisExpectations,
} from "../../../../src/cli/doctor/redis-findings.ts";
import { RedisFault, type RedisFaultKind } from "../../../../src/stores/redis/connection.ts";
import { FORMAT } from "../../../../src/stores/redis/format.ts";
import { redisFacts, textOf, troublesIn, type ServerChanges } from "./facts.ts";

const EXPECTED: RedisExpectations = {
  mode: "standalone",
  keyPrefix: "ringmaster",
  partitions: 64,
  owesWebhooks: true,
};

function judged(server: ServerChanges, expected: Partial<RedisExpectations> = {}) {
  return redisFindings(redisFacts(server), { ...EXPECTED, ...expected });
}

test("A server that is as it should be is well in everything that is looked at", () => {
  const findings = judged({});
  expect(troublesIn(findings)).toEqual([]);
  expect(findings.map(({ check }) => check)).toEqual([
    "reachable",
    "version",
    "clock",
    "rights",
    "persistence",
    "replicas",
    "memory",
    "eviction",
    "pub/sub buffer",
    "timeouts",
    "prefix",
    "format",
  ]);
});

describe("Persistence", () => {
  test.each([
    ["none at all", { aof_enabled: "0" }, { save: "" }, "problem", /loses all there is: events/],
    [
      "snapshots alone",
      { aof_enabled: "0" },
      {},
      "warning",
      /goes back to its last snapshots \(save 3600 1\)/,
    ],
    [
      "a file that is flushed by chance",
      {},
      { appendfsync: "no" },
      "warning",
      /about the last 30 s/,
    ],
  ] as const)("%s is judged by what a restart loses", (_, info, config, verdict, text) => {
    const findings = judged({ info, config });
    expect(troublesIn(findings)).toEqual([`persistence: ${verdict}`]);
    expect(textOf(findings, "persistence", verdict)).toMatch(text);
  });

  test("that is none is a warning where nothing is owed to anybody", () => {
    const findings = judged(
      { info: { aof_enabled: "0" }, config: { save: "" } },
      { owesWebhooks: false },
    );
    expect(troublesIn(findings)).toEqual(["persistence: warning"]);
  });

  test("that cannot be looked at in full is taken for the worse, unless the file is appended to", () => {
    const without = judged({ info: { aof_enabled: "0" }, config: null });
    expect(troublesIn(without)).toEqual(["persistence: problem", "configuration: unknown"]);
    expect(troublesIn(judged({ config: null }))).toEqual(["configuration: unknown"]);
  });

  test.each([
    [{ aof_last_write_status: "err" }, /append-only file failed/],
    [{ rdb_last_bgsave_status: "err" }, /last snapshot failed/],
  ])("that fails is a problem: %j", (info, text) => {
    expect(textOf(judged({ info }), "disk", "problem")).toMatch(text);
  });
});

describe("Replicas", () => {
  test("that are none are a warning", () => {
    const findings = judged({ info: { connected_slaves: "0" } });
    expect(troublesIn(findings)).toEqual(["replicas: warning"]);
  });

  test("that a primary can be cut off from without noticing are a warning that says what a failover loses", () => {
    const findings = judged({ config: { "min-replicas-to-write": "0" } });
    expect(troublesIn(findings)).toEqual(["replicas: warning"]);
    expect(textOf(findings, "replicas", "warning")).toContain(
      "lost when a replica takes its place",
    );
  });
});

describe("Memory", () => {
  test.each(["allkeys-lru", "allkeys-random", "volatile-ttl"])(
    "%s loses what is in the store",
    (policy) => {
      const info = { maxmemory: "100000000", maxmemory_policy: policy };
      const text = textOf(judged({ info }), "eviction", "problem");
      expect(text).toContain(policy.startsWith("volatile") ? "cache channels" : "wrong counts");
      expect(text).toContain("set maxmemory-policy noeviction");
    },
  );

  test("without a bound throws nothing away yet", () => {
    const findings = judged({ info: { maxmemory_policy: "allkeys-lru" } });
    expect(troublesIn(findings)).toEqual(["eviction: warning"]);
  });

  test("that is nearly used up is a warning, and just below that none", () => {
    const nearly = { maxmemory: "100000000", used_memory: "80000001" };
    expect(troublesIn(judged({ info: nearly }))).toEqual(["memory: warning"]);
    const enough = { maxmemory: "100000000", used_memory: "80000000" };
    expect(troublesIn(judged({ info: enough }))).toEqual([]);
  });
});

describe("Connections", () => {
  test.each([
    ["normal 0 0 0 slave 0 0 0 pubsub 0 0 0", /has no bound/],
    ["pubsub 1048576 262144 10", /behind by 1\.0 MiB, or 0\.3 MiB for 10 s is cut off/],
    ["pubsub 0 4194304 60", /behind by 4\.0 MiB for 60 s is cut off/],
  ])("client-output-buffer-limit %s is a warning", (limit, text) => {
    const findings = judged({ config: { "client-output-buffer-limit": limit } });
    expect(textOf(findings, "pub/sub buffer", "warning")).toMatch(text);
  });

  test.each([{ timeout: "30" }, { "tcp-keepalive": "0" }])("%j is a warning", (config) => {
    expect(troublesIn(judged({ config }))).toEqual(["timeouts: warning"]);
  });

  test("slow answers are a warning", () => {
    expect(textOf(judged({ latencyMs: 25.4 }), "reachable", "warning")).toContain("25 ms");
  });

  test.each([
    [6_000, "6.0 s ahead of"],
    [-61_000, "61 s behind"],
  ])("a clock that is %d ms apart is a warning", (clockAheadMs, text) => {
    expect(textOf(judged({ clockAheadMs }), "clock", "warning")).toContain(text);
  });
});

describe("The wrong server", () => {
  test.each([
    ["an old one", { redis_version: "6.2.14" }, "version: problem"],
    ["a Sentinel", { redis_mode: "sentinel" }, "role: problem"],
    ["a replica", { role: "slave" }, "role: problem"],
    ["a node of a Cluster", { cluster_enabled: "1" }, "role: problem"],
  ])("%s is a problem", (_, info, trouble) => {
    expect(troublesIn(judged({ info }))).toEqual([trouble]);
  });

  test("a node of a Cluster is the right one in a Cluster", () => {
    const findings = judged({ info: { cluster_enabled: "1" } }, { mode: "cluster" });
    expect(troublesIn(findings)).toEqual([]);
  });

  test("Valkey is called by its name", () => {
    const info = { redis_version: "7.2.4", valkey_version: "8.1.0" };
    expect(textOf(judged({ info }), "version", "ok")).toBe("Valkey 8.1.0");
  });
});

describe("Rights", () => {
  test("that are missing are named, those of each kind", () => {
    const denied = [
      ...["HSET", "ZADD", "XADD", "SET", "GET", "DEL", "EVAL"].map(
        (command) => ({ command, reason: "command" }) as const,
      ),
      { command: "HGET", reason: "key" } as const,
      { command: "SPUBLISH", reason: "channel" } as const,
    ];
    const text = textOf(judged({ denied }), "rights", "problem");
    expect(text).toContain("the commands hset, zadd, xadd, set, get and 2 more");
    expect(text).toContain("keys under the prefix");
    expect(text).toContain("channels under the prefix");
  });

  test("that could not be tried are no problem", () => {
    const findings = judged({ denied: undefined, foreignKeys: undefined, clockAheadMs: undefined });
    expect(troublesIn(findings)).toEqual(["clock: unknown", "rights: unknown", "prefix: unknown"]);
  });

  test("to ask what the server is are needed by every start", () => {
    expect(troublesIn(judged({ info: null }))).toEqual(["version: problem"]);
  });
});

test("Keys of somebody else under the prefix are a warning that shows some", () => {
  const text = textOf(judged({ foreignKeys: ["ringmaster:x", 'a"b'] }), "prefix", "warning");
  expect(text).toContain('"ringmaster:x", "a\\"b"');
});

describe("The store", () => {
  const of = (stored: ReturnType<typeof redisFacts>["stored"]) =>
    redisFindings(redisFacts({}, { stored }), EXPECTED);

  test("that is new is well, and of another number of partitions too, which is told", () => {
    expect(textOf(of(null), "format", "ok")).toContain("with 64 partitions");
    const other = of({ format: 1, readableBy: 1, partitions: 16 });
    expect(textOf(other, "format", "ok")).toContain("redis.partitions (64)");
  });

  test("of a newer format is a problem only where this version could not read it", () => {
    expect(troublesIn(of({ format: FORMAT + 1, readableBy: FORMAT, partitions: 64 }))).toEqual([]);
    const unreadable = of({ format: FORMAT + 1, readableBy: FORMAT + 1, partitions: 64 });
    expect(troublesIn(unreadable)).toEqual(["format: problem"]);
  });

  test("that could not be read is not known", () => {
    expect(troublesIn(of(undefined))).toEqual(["format: unknown"]);
  });

  test("of a Cluster that lacks a server for some slots is a problem", () => {
    const facts = redisFacts({ info: { cluster_enabled: "1" } }, { uncovered: ["{3}", "{jobs}"] });
    const findings = redisFindings(facts, { ...EXPECTED, mode: "cluster" });
    expect(textOf(findings, "slots", "problem")).toContain("{3}, {jobs}");
  });
});

describe("A store that cannot be reached", () => {
  const KINDS: readonly RedisFaultKind[] = [
    "unreachable",
    "timeout",
    "not-ready",
    "full",
    "denied",
    "refused",
  ];
  test.each(KINDS)("(%s) is the one problem, with what to do", (kind) => {
    const fault = new RedisFault(kind, "It is so.");
    const findings = redisFindings(redisFacts({}, { fault, servers: [] }), EXPECTED);
    expect(troublesIn(findings)).toEqual(["reachable: problem"]);
    expect(findings[0]?.text).toMatch(/^It is so; \w+/);
  });

  test("in one of its servers does not keep the others from being looked at", () => {
    const [well] = redisFacts().servers;
    const [lost] = redisFacts({ fault: new RedisFault("unreachable", "gone") }).servers;
    if (well === undefined || lost === undefined) throw new Error("There are no servers.");
    const findings = redisFindings(redisFacts({}, { servers: [lost, well] }), {
      ...EXPECTED,
      mode: "cluster",
    });
    expect(troublesIn(findings)).toEqual(["reachable: problem"]);
    expect(findings.filter(({ check }) => check === "persistence")).toHaveLength(1);
  });
});
