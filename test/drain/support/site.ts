import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { TestApp } from "../../e2e/support/apps.ts";
import { Ringmaster, type Configuration, type Exit } from "../../e2e/support/ringmaster.ts";
import { within } from "../../e2e/support/wait.ts";
import { webhookConfig } from "../../e2e/support/webhook-server.ts";
import { RedisServer } from "../../support/redis-server.ts";

export interface DrainTimes {
  readonly noticeMs: number;
  readonly windowMs: number;
  readonly deadlineMs: number;
}

export interface SitePlan {
  readonly apps: readonly TestApp[];
  readonly drain: DrainTimes;
  readonly sender?: Readonly<Record<string, unknown>>;
  /** Beside its URL. */
  readonly redis?: Readonly<Record<string, unknown>>;
}

/** Processes of one installation on a Redis of their own, for one test. */
export class Site {
  readonly redis: RedisServer;
  readonly #drain: DrainTimes;
  readonly #config: Configuration;
  readonly #servers: Ringmaster[] = [];

  private constructor(redis: RedisServer, { apps, drain, sender, redis: more }: SitePlan) {
    this.redis = redis;
    this.#drain = drain;
    this.#config = webhookConfig(
      apps.map(({ entry }) => entry),
      sender,
      { redis: { url: `redis://127.0.0.1:${redis.port}`, ...more } },
    );
  }

  static async open(t: TestContext, plan: SitePlan): Promise<Site> {
    const redis = await RedisServer.start();
    t.after(() => redis.close());
    const site = new Site(redis, plan);
    t.after(() => site.#close());
    return site;
  }

  /** Resolves when it is ready. */
  async start(roles: string): Promise<Ringmaster> {
    const { noticeMs, windowMs, deadlineMs } = this.#drain;
    const server = await Ringmaster.start({
      config: this.#config,
      flags: {
        "--roles": roles,
        "--drain-notice-ms": `${noticeMs}`,
        "--drain-window-ms": `${windowMs}`,
        "--drain-deadline-ms": `${deadlineMs}`,
      },
    });
    this.#servers.push(server);
    return server;
  }

  startMany(roles: string, count: number): Promise<Ringmaster[]> {
    return Promise.all(Array.from({ length: count }, () => this.start(roles)));
  }

  /** As a supervisor does. Resolves when it has ended, in time and without an error in its log. */
  async stop(server: Ringmaster): Promise<Exit> {
    server.signal("SIGTERM");
    const { deadlineMs } = this.#drain;
    const exit = await within("the process ends after SIGTERM", server.exited, 2 * deadlineMs);
    const errors = server.log.all.filter(({ level }) => level === "error" || level === "fatal");
    assert.deepEqual(errors, []);
    assert.equal(exit.code, 0, server.stderr);
    return exit;
  }

  async #close(): Promise<void> {
    for (const server of this.#servers) server.signal("SIGKILL");
    await Promise.all(this.#servers.map(({ exited }) => exited));
  }
}
