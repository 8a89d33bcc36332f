import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { Child, LOAD_CORE, removeAtEnd } from "./child.ts";
import { freePort, untilListening } from "./contestant.ts";

/** A redis-server of its own, on the other core than the servers that use it. */
export class RedisProcess {
  readonly child: Child;
  readonly port: number;
  readonly #client: ReturnType<typeof createClient>;

  private constructor(child: Child, port: number) {
    this.child = child;
    this.port = port;
    this.#client = createClient({ socket: { host: "127.0.0.1", port, reconnectStrategy: false } });
    this.#client.on("error", () => {});
  }

  static async start(): Promise<RedisProcess> {
    if (Bun.which("redis-server") === null)
      throw new Error("no redis-server: apt install redis-server");
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), "ringmaster-bench-redis-"));
    removeAtEnd(folder);
    const settings = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", folder];
    const child = new Child(["redis-server", ...settings], { core: LOAD_CORE });
    await untilListening(child, port);
    const redis = new RedisProcess(child, port);
    await redis.#client.connect();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** What clients sent so far; calls inside scripts are not counted. */
  async commands(): Promise<number> {
    const info = await this.#info("commandstats");
    const sent = /^cmdstat_(?:evalsha|eval|spublish|ssubscribe|sunsubscribe):calls=(\d+)/gm;
    return [...info.matchAll(sent)].reduce((sum, [, calls]) => sum + Number(calls), 0);
  }

  async usedBytes(): Promise<number> {
    return Number(/^used_memory:(\d+)/m.exec(await this.#info("memory"))?.[1]);
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    await this.child.stop();
  }

  async #info(section: string): Promise<string> {
    return String(await this.#client.sendCommand(["INFO", section]));
  }
}
