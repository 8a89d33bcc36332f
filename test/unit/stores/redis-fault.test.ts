import { describe, expect, test } from "bun:test";
import { backOffMs } from "../../../src/stores/redis/client/back-off.ts";
import { RedisFault, type RedisFaultKind } from "../../../src/stores/redis/connection.ts";
import { faultOf, faultOfReply, movedTo } from "../../../src/stores/redis/client/fault.ts";

const SAID: readonly (readonly [string, RedisFaultKind])[] = [
  ["LOADING Redis is loading the dataset in memory", "not-ready"],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "not-ready"],
  ["CLUSTERDOWN Hash slot not served", "not-ready"],
  ["TRYAGAIN Multiple keys request during rehashing of slot", "not-ready"],
  [
    "READONLY You can't write against a read only replica. script: 1f, on @user_script:1.",
    "not-ready",
  ],
  [
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "not-ready",
  ],
  ["UNKILLABLE Sorry the script already executed write commands against the dataset.", "not-ready"],
  ["NOREPLICAS Not enough good replicas to write.", "not-ready"],
  ["MOVED 1 127.0.0.1:7000", "not-ready"],
  ["ASK 1 127.0.0.1:7000", "not-ready"],
  ["ERR max number of clients reached", "not-ready"],
  ["ERR Script attempted to access a non local key in a cluster node script: 1f", "not-ready"],
  ["ERR Script attempted to execute a command while the cluster is down script: 1f", "not-ready"],
  ["OOM command not allowed when used memory > 'maxmemory'.", "full"],
  [
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
    "full",
  ],
  ["NOAUTH Authentication required.", "denied"],
  ["WRONGPASS invalid username-password pair or user is disabled.", "denied"],
  ["NOPERM this user has no permissions to access one of the keys used as arguments", "denied"],
  ["ERR AUTH <password> called without any password configured for the default user.", "denied"],
  ["ERR The user executing the script can't access at least one of the keys mentioned", "denied"],
  ["ERR wrong number of arguments for 'get' command", "refused"],
  ["WRONGTYPE Operation against a key holding the wrong kind of value", "refused"],
  ["OOMPH", "refused"],
];

describe("a fault", () => {
  test.each(SAID)("that a server calls %p is %p", (message, kind) => {
    expect(faultOfReply(message)).toMatchObject({ kind, message });
  });

  test("of a connection is that nobody was reached, of an argument that is no text ours", () => {
    expect(faultOf(Object.assign(new Error("x"), { code: "ECONNREFUSED" })).kind).toBe(
      "unreachable",
    );
    expect(faultOf(new Error("self signed certificate")).kind).toBe("unreachable");
    expect(faultOf(new TypeError("no text")).kind).toBe("refused");
  });

  test("stays what it was", () => {
    const fault = new RedisFault("full", "x");
    expect(faultOf(fault)).toBe(fault);
  });
});

describe("a redirection", () => {
  const from = { host: "10.0.0.1", port: 6379 };

  test.each([
    ["MOVED 3999 127.0.0.1:6381", { host: "127.0.0.1", port: 6381 }],
    ["MOVED 3999 redis-2.example:6381", { host: "redis-2.example", port: 6381 }],
    ["MOVED 3999 fd00::2:6381", { host: "fd00::2", port: 6381 }],
    ["MOVED 3999 :6381", { host: "10.0.0.1", port: 6381 }],
  ])("%p leads where it says", (message, address) => {
    expect(movedTo(faultOfReply(message), from)).toEqual(address);
  });

  test("is none where the keys of a slot are at two places", () => {
    expect(movedTo(faultOfReply("ASK 3999 127.0.0.1:6381"), from)).toBeUndefined();
  });
});

describe("the pause before the next attempt", () => {
  const limits = { firstMs: 50, mostMs: 5_000 };

  test("doubles its limit with each failure, up to the most", () => {
    const longest = [0, 1, 2, 6, 7, 50, 5_000].map((failures) =>
      backOffMs(failures, limits, () => 1),
    );
    expect(longest).toEqual([50, 100, 200, 3_200, 5_000, 5_000, 5_000]);
  });

  test("is anything below it", () => {
    expect(backOffMs(3, limits, () => 0)).toBe(0);
    expect(backOffMs(3, limits, () => 0.25)).toBe(100);
  });
});
