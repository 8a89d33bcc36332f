import { writeFileSync } from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { until } from "./redis-cluster.ts";
import { commandAt, freePort, RedisServer } from "./redis-server.ts";

export const PRIMARY_NAME = "ringmaster";
const SENTINELS = 3;

export interface RedisSentinelsOptions {
  readonly isLasting?: boolean;
  /** Of the servers, and of the Sentinels: nothing by default. */
  readonly password?: string;
  readonly sentinelPassword?: string;
}

/** A primary, a replica of it, and the Sentinels that watch over them. */
export class RedisSentinels {
  readonly servers: readonly RedisServer[];
  readonly ports: readonly number[];
  readonly #children: readonly ChildProcess[];
  readonly #password: string | undefined;

  private constructor(
    servers: readonly RedisServer[],
    ports: readonly number[],
    children: readonly ChildProcess[],
    password: string | undefined,
  ) {
    this.servers = servers;
    this.ports = ports;
    this.#children = children;
    this.#password = password;
  }

  static async start(options: RedisSentinelsOptions = {}): Promise<RedisSentinels> {
    const { isLasting = false, password, sentinelPassword } = options;
    const secrets: Record<string, string> =
      password === undefined ? {} : { requirepass: password, masterauth: password };
    const primary = await RedisServer.start({ isLasting, config: secrets });
    const replica = await RedisServer.start({
      isLasting,
      config: {
        ...secrets,
        replicaof: `127.0.0.1 ${primary.port}`,
        "repl-diskless-sync-delay": "0",
      },
    });
    await until("the replica follows", async () =>
      String(await replica.command("INFO", "replication")).includes("master_link_status:up"),
    );
    const ports = await Promise.all(Array.from({ length: SENTINELS }, freePort));
    const children = ports.map((port) => startSentinel(port, primary, options));
    const sentinels = new RedisSentinels([primary, replica], ports, children, sentinelPassword);
    await until("the Sentinels know of everybody", async () => {
      const seen = await Promise.all(
        ports.map((port) => masterInfo(port, sentinelPassword).catch(() => undefined)),
      );
      return seen.every(
        (info) => info?.["num-slaves"] === "1" && info["num-other-sentinels"] === "2",
      );
    });
    return sentinels;
  }

  async primary(): Promise<RedisServer> {
    const [port = 0] = this.ports;
    const command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY_NAME];
    const answer = await commandAt(port, command, this.#password);
    const [, primaryPort] = answer as string[];
    const found = this.servers.find((server) => server.port === Number(primaryPort));
    if (found === undefined) throw new Error(`the Sentinels name ${String(answer)}`);
    return found;
  }

  /** Begins to. */
  async failOver(): Promise<void> {
    const [port = 0] = this.ports;
    await commandAt(port, ["SENTINEL", "FAILOVER", PRIMARY_NAME], this.#password);
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(this.servers.map((server) => server.close()));
  }
}

function startSentinel(
  port: number,
  primary: RedisServer,
  { password, sentinelPassword }: RedisSentinelsOptions,
): ChildProcess {
  const file = join(primary.folder, `sentinel-${port}.conf`);
  writeFileSync(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${primary.folder}`,
      `sentinel monitor ${PRIMARY_NAME} 127.0.0.1 ${primary.port} 2`,
      `sentinel down-after-milliseconds ${PRIMARY_NAME} 700`,
      `sentinel failover-timeout ${PRIMARY_NAME} 4000`,
      ...(password === undefined ? [] : [`sentinel auth-pass ${PRIMARY_NAME} ${password}`]),
      ...(sentinelPassword === undefined
        ? []
        : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
    ].join("\n"),
  );
  const child = spawn("redis-sentinel", [file], { stdio: "ignore" });
  process.on("exit", () => child.kill("SIGKILL"));
  return child;
}

async function masterInfo(
  port: number,
  password: string | undefined,
): Promise<Record<string, string>> {
  const flat = (await commandAt(port, ["SENTINEL", "MASTER", PRIMARY_NAME], password)) as string[];
  const info: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) info[flat[i] ?? ""] = flat[i + 1] ?? "";
  return info;
}
