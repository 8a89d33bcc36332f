import { commandAt, freePort, RedisServer } from "./redis-server.ts";

const SLOTS = 16_384;
const POLL_MS = 20;
const DEADLINE_MS = 30_000;

/** Three primaries, and a replica of each where asked for. */
export class RedisCluster {
  readonly servers: readonly RedisServer[];
  readonly primaries: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];

  private constructor(primaries: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.primaries = primaries;
    this.replicas = replicas;
    this.servers = [...primaries, ...replicas];
  }

  static async start({ hasReplicas = false, isLasting = false } = {}): Promise<RedisCluster> {
    const start = async (): Promise<RedisServer> =>
      RedisServer.start({
        isLasting,
        config: {
          "cluster-enabled": "yes",
          "cluster-node-timeout": "1500",
          "cluster-port": `${await freePort()}`,
        },
      });
    const primaries = await Promise.all([start(), start(), start()]);
    const replicas = hasReplicas ? await Promise.all([start(), start(), start()]) : [];
    const cluster = new RedisCluster(primaries, replicas);
    await cluster.#join();
    return cluster;
  }

  get ports(): readonly number[] {
    return this.servers.map(({ port }) => port);
  }

  /** Which of the servers is the primary of the slot by its own account. */
  async primaryOf(slot: number): Promise<RedisServer> {
    for (const server of this.servers) {
      const slots = (await server.command("CLUSTER", "SLOTS").catch(() => [])) as [
        number,
        number,
        [string, number],
      ][];
      const range = slots.find(([first, last]) => slot >= first && slot <= last);
      const found = this.servers.find(({ port }) => port === range?.[2][1]);
      if (found !== undefined) return found;
    }
    throw new Error(`nobody has the slot ${slot}`);
  }

  /** From now on its keys may be at either place. */
  async beginMove(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    const [fromId, toId] = [await idOf(from), await idOf(to)];
    await to.command("CLUSTER", "SETSLOT", `${slot}`, "IMPORTING", fromId);
    await from.command("CLUSTER", "SETSLOT", `${slot}`, "MIGRATING", toId);
  }

  /** Moves the keys that are still at the old place, and the slot. */
  async endMove(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    for (;;) {
      const keys = await from.command("CLUSTER", "GETKEYSINSLOT", `${slot}`, "100");
      if (!Array.isArray(keys) || keys.length === 0) break;
      const names = keys as string[];
      await from.command("MIGRATE", "127.0.0.1", `${to.port}`, "", "0", "5000", "KEYS", ...names);
    }
    const toId = await idOf(to);
    const others = this.primaries.filter((server) => server !== from && server !== to);
    for (const server of [to, from, ...others])
      await server.command("CLUSTER", "SETSLOT", `${slot}`, "NODE", toId);
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }

  async #join(): Promise<void> {
    const [first, ...others] = this.servers;
    if (first === undefined) return;
    const size = Math.ceil(SLOTS / this.primaries.length);
    for (const [i, { port }] of this.primaries.entries()) {
      const last = Math.min(SLOTS, (i + 1) * size) - 1;
      await commandAt(port, ["CLUSTER", "ADDSLOTSRANGE", `${i * size}`, `${last}`]);
      await commandAt(port, ["CLUSTER", "SET-CONFIG-EPOCH", `${i + 1}`]);
    }
    for (const { port } of others) {
      const busPort = await busPortOf(first.port);
      await commandAt(port, ["CLUSTER", "MEET", "127.0.0.1", `${first.port}`, `${busPort}`]);
    }
    await until("all nodes know each other", async () => {
      const known = await Promise.all(this.ports.map(nodesKnownBy));
      return known.every((count) => count === this.servers.length);
    });
    for (const [i, { port }] of this.replicas.entries()) {
      const primary = this.primaries[i];
      if (primary === undefined) continue;
      const id = String(await primary.command("CLUSTER", "MYID"));
      await until("a replica follows its primary", async () =>
        commandAt(port, ["CLUSTER", "REPLICATE", id]).then(
          () => true,
          () => false,
        ),
      );
    }
    await until("the Cluster is whole", async () => {
      const infos = await Promise.all(
        this.ports.map((port) => commandAt(port, ["CLUSTER", "INFO"])),
      );
      return infos.every((info) => String(info).includes("cluster_state:ok"));
    });
    await until("replicas have what their primaries have", async () => {
      const infos = await Promise.all(
        this.replicas.map(({ port }) => commandAt(port, ["INFO", "replication"])),
      );
      return infos.every((info) => String(info).includes("master_link_status:up"));
    });
  }
}

async function idOf(server: RedisServer): Promise<string> {
  return String(await server.command("CLUSTER", "MYID"));
}

async function busPortOf(port: number): Promise<number> {
  const reply = (await commandAt(port, ["CONFIG", "GET", "cluster-port"])) as string[];
  return Number(reply[1]);
}

async function nodesKnownBy(port: number): Promise<number> {
  const nodes = String(await commandAt(port, ["CLUSTER", "NODES"]));
  return nodes.split("\n").filter((line) => / (connected)/.test(line)).length;
}

export async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
  const endsAtMs = performance.now() + DEADLINE_MS;
  while (!(await probe())) {
    if (performance.now() > endsAtMs) throw new Error(`not in ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
