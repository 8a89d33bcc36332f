import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../../src/channels/ports/clock.ts";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { RedisClient } from "../../src/stores/redis/client/redis-client.ts";
import { openFormat } from "../../src/stores/redis/format.ts";
import { RedisCluster } from "../support/redis-cluster.ts";
import { RedisSentinels, PRIMARY_NAME } from "../support/redis-sentinels.ts";
import { freePort, RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { recorder } from "../support/ring.ts";
import { documentedUser } from "./support/documented-user.ts";

setDefaultTimeout(60_000);

const ENTRY = join(process.cwd(), "src/cli/ringmaster.ts");
const WELL = { appendonly: "yes", appendfsync: "everysec" };

let folder: string;
let redis: RedisServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ringmaster-doctor-"));
  redis = await RedisServer.start({ config: WELL });
});
afterAll(async () => {
  await redis.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Diagnosis {
  readonly code: number;
  readonly output: string;
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

/** The command as a person runs it, in an empty folder. */
async function doctor(env: Readonly<Record<string, string>>): Promise<Diagnosis> {
  const variables = Object.entries(env).map(([name, text]) => [`RINGMASTER_REDIS_${name}`, text]);
  const command = Bun.spawn([process.execPath, ENTRY, "doctor", "--json"], {
    cwd: folder,
    env: { ...Object.fromEntries(variables), RINGMASTER_APP_WEBHOOK_URL: "https://shop.example/" },
    stderr: "inherit",
  });
  const output = await new Response(command.stdout).text();
  const code = await command.exited;
  return { code, output, ...(JSON.parse(output) as Pick<Diagnosis, "healthy" | "findings">) };
}

const url = (server: RedisServer, credentials = ""): string =>
  `redis://${credentials}127.0.0.1:${server.port}`;

function troublesOf({ findings }: Diagnosis): string[] {
  return findings
    .filter(({ verdict }) => verdict !== "ok")
    .map(({ check, verdict }) => `${check}: ${verdict}`);
}

describe("One server", () => {
  test("that is new is looked at without leaving anything in it, or in the folder", async () => {
    const found = await doctor({ URL: url(redis) });
    expect({ code: found.code, healthy: found.healthy }).toEqual({ code: 0, healthy: true });
    expect(troublesOf(found)).toEqual(["replicas: warning", "credentials: warning"]);
    expect(await redis.command("DBSIZE")).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("with the rights that the documentation lists has all it needs, and a process starts with them", async () => {
    await redis.command(...documentedUser("ringmaster", "secret"));
    const found = await doctor({ URL: url(redis, "ringmaster:secret@") });
    expect(found.code).toBe(0);
    expect(troublesOf(found)).toEqual([
      "replicas: warning",
      "configuration: unknown",
      "credentials: warning",
    ]);
    expect(found.output).not.toContain("secret@");
    const client = new RedisClient({
      settings: redisSettings(redis.port, { username: "ringmaster", password: "secret" }),
      clock: systemClock,
      log: recorder([]),
      random: Math.random,
    });
    await client.open();
    const keys = await openFormat(client, "ringmaster", 16);
    expect(keys.partitions).toBe(16);
    await client.close();
    const later = await doctor({ URL: url(redis) });
    const format = later.findings.find(({ check }) => check === "format");
    expect(format?.text).toContain("16 partitions: redis.partitions (64) is for a new store");
    await redis.command("FLUSHALL");
  });

  test.each([
    ["~ringmaster:* resetchannels &ringmaster:* +@all -zadd -eval", /the commands zadd, eval;/],
    ["~other:* resetchannels &ringmaster:* +@all", /not use keys under the prefix;/],
    ["~ringmaster:* resetchannels +@all", /not use channels under the prefix/],
  ])(
    "of a user with the rights %s is a problem that names what is missing",
    async (rights, text) => {
      await redis.command("ACL", "SETUSER", "limited", "reset", "on", ">pw", ...rights.split(" "));
      const found = await doctor({ URL: url(redis), USERNAME: "limited", PASSWORD: "pw" });
      expect(found.code).toBe(1);
      expect(found.findings.find(({ check }) => check === "rights")?.text).toMatch(text);
      expect(await redis.command("DBSIZE")).toBe(0);
    },
  );

  test("that does not know the password is a problem that does not show it", async () => {
    const found = await doctor({ URL: url(redis), USERNAME: "limited", PASSWORD: "hunter2" });
    expect(found.code).toBe(1);
    expect(troublesOf(found)).toEqual([
      "reachable: problem",
      "format: unknown",
      "credentials: warning",
    ]);
    expect(found.output).not.toContain("hunter2");
  });

  test("that is not there is a problem", async () => {
    const found = await doctor({ URL: `redis://127.0.0.1:${await freePort()}` });
    expect(found.code).toBe(1);
    expect(found.findings[0]).toMatchObject({ check: "reachable", verdict: "problem" });
  });

  test("that throws keys away, or keeps none, is a problem", async () => {
    const careless = await RedisServer.start({
      config: { maxmemory: "100mb", "maxmemory-policy": "allkeys-lru" },
    });
    try {
      const found = await doctor({ URL: url(careless) });
      expect(found.code).toBe(1);
      expect(troublesOf(found)).toEqual([
        "persistence: problem",
        "replicas: warning",
        "eviction: problem",
        "credentials: warning",
      ]);
    } finally {
      await careless.close();
    }
  });

  test("with keys of another program under the prefix is a warning", async () => {
    await redis.command("SET", "ringmaster:session:1", "x");
    await redis.command("SET", "ringmaster:{7}:channels:1", "ours");
    const found = await doctor({ URL: url(redis) });
    expect(found.code).toBe(0);
    const prefix = found.findings.find(({ check }) => check === "prefix");
    expect(prefix?.verdict).toBe("warning");
    expect(prefix?.text).toContain('"ringmaster:session:1"');
    expect(prefix?.text).not.toContain("{7}");
    await redis.command("FLUSHALL");
  });
});

test("A replica is a problem where it is taken for the server, and none behind Sentinels", async () => {
  const sentinels = await RedisSentinels.start({ isLasting: true });
  try {
    const [primary, replica] = sentinels.servers;
    if (primary === undefined || replica === undefined) throw new Error("There is no replica.");
    expect(troublesOf(await doctor({ URL: url(replica) }))).toContain("role: problem");
    const found = await doctor({
      SENTINEL_NODES: sentinels.ports.map((port) => `127.0.0.1:${port}`).join(","),
      SENTINEL_PRIMARY_NAME: PRIMARY_NAME,
    });
    expect(found.code).toBe(0);
    expect(troublesOf(found)).toEqual(["replicas: warning", "credentials: warning"]);
    expect(found.findings[0]?.where).toBe(`127.0.0.1:${primary.port}`);
  } finally {
    await sentinels.close();
  }
});

test("Of a Cluster every server that has keys of ours is looked at, and one alone is not enough", async () => {
  const cluster = await RedisCluster.start({ isLasting: true });
  try {
    const found = await doctor({
      CLUSTER_NODES: `127.0.0.1:${cluster.ports[0]}`,
    });
    expect(found.code).toBe(0);
    const places = new Set(found.findings.flatMap(({ where }) => where ?? []));
    expect([...places].toSorted()).toEqual(
      cluster.ports.map((port) => `127.0.0.1:${port}`).toSorted(),
    );
    expect(troublesOf(found)).not.toContain("slots: problem");
    const [one] = cluster.servers;
    if (one === undefined) throw new Error("There is no server.");
    expect(troublesOf(await doctor({ URL: url(one) }))).toContain("role: problem");
  } finally {
    await cluster.close();
  }
});
