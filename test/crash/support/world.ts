import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nothingOwed } from "../../e2e/support/nothing-owed.ts";
import type { Occupancy } from "../../e2e/support/occupancy.ts";
import { Ringmaster, type Configuration } from "../../e2e/support/ringmaster.ts";
import { webhookConfig } from "../../e2e/support/webhook-server.ts";
import { freePort } from "../../support/redis-server.ts";
import { Crowd } from "./crowd.ts";
import { Customer, type Tally } from "./customer.ts";

export interface WorldPlan {
  /** How many processes can serve channels at the same time. */
  readonly nodes?: number;
  /** Settings of all processes, beside the apps. */
  readonly settings?: Configuration;
}

/** Three customers with a thousand channels, and a folder that outlives the processes which serve them. */
export class World {
  readonly customers: readonly Customer[];
  readonly #crowds: readonly Crowd[];
  readonly #servers: Ringmaster[] = [];
  readonly #dataDir: string;
  readonly #ports: readonly number[];
  readonly #settings: Configuration;

  private constructor(
    customers: readonly Customer[],
    crowds: readonly Crowd[],
    dataDir: string,
    ports: readonly number[],
    settings: Configuration,
  ) {
    this.customers = customers;
    this.#crowds = crowds;
    this.#dataDir = dataDir;
    this.#ports = ports;
    this.#settings = settings;
  }

  static async open({ nodes = 1, settings = {} }: WorldPlan = {}): Promise<World> {
    const ports = await Promise.all(Array.from({ length: nodes }, freePort));
    const [batching, single, mixed] = await Promise.all([
      Customer.open(true, [{ temper: "healthy" }, { temper: "slow" }]),
      Customer.open(false, [{ temper: "healthy" }, { temper: "failing" }]),
      Customer.open(true, [{ temper: "failing" }, { temper: "slow", channelPrefix: "presence-" }]),
    ]);
    const crowds = [
      new Crowd(batching, ports, { channels: 400, visitors: 24 }),
      new Crowd(single, ports, { channels: 200, visitors: 12 }),
      new Crowd(mixed, ports, { channels: 400, visitors: 24 }),
    ];
    const dataDir = mkdtempSync(join(tmpdir(), "ringmaster-crash-"));
    return new World([batching, single, mixed], crowds, dataDir, ports, settings);
  }

  /** Where the nodes serve, each at its place. */
  get ports(): readonly number[] {
    return this.#ports;
  }

  /** Starts a process on the folder; resolves when it is ready. */
  async start(roles = "channels,packager,sender", node = 0): Promise<Ringmaster> {
    const server = this.launch(roles, node);
    const ended = server.exited.then(({ code }) => {
      throw new Error(`a server ended with ${code}: ${JSON.stringify(server.log.all)}`);
    });
    const ready = await Promise.race([server.logged("ready"), ended]);
    server.opsPort = Number(ready["opsPort"]);
    return server;
  }

  launch(roles = "channels,packager,sender", node = 0): Ringmaster {
    const apps = this.customers.map(({ app }) => app.entry);
    const server = Ringmaster.launch({
      config: webhookConfig(apps, {}, this.#settings),
      dataDir: this.#dataDir,
      flags: { "--roles": roles, "--port": String(this.#ports[node]) },
    });
    this.#servers.push(server);
    return server;
  }

  /** Everybody comes to rest; answers who is where, by customer. */
  rest(): Promise<readonly Occupancy[]> {
    return Promise.all(this.#crowds.map((crowd) => crowd.rest()));
  }

  /** The crowd comes to rest, the server tells all that it owes, and every customer knows exactly what is true. */
  async verify(server: Ringmaster): Promise<Tally> {
    const truths = await this.rest();
    await nothingOwed(server);
    const tally = { events: 0, webhooks: 0, deliveries: 0 };
    for (const [place, customer] of this.customers.entries()) {
      const told = customer.verify(truths[place] ?? new Map());
      tally.events += told.events;
      tally.webhooks += told.webhooks;
      tally.deliveries += told.deliveries;
    }
    return tally;
  }

  /** Error lines of all processes there were. */
  errors(): string[] {
    return this.#servers.flatMap(({ log, stderr }) => [
      ...log.all
        .filter(({ level }) => level === "error" || level === "fatal")
        .map((line) => JSON.stringify(line)),
      ...(stderr === "" ? [] : [stderr]),
    ]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#crowds.map((crowd) => crowd.leave()));
    for (const server of this.#servers) server.signal("SIGKILL");
    await Promise.all(this.#servers.map(({ exited }) => exited));
    await Promise.all(this.customers.map((customer) => customer.close()));
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}
