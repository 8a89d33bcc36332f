import type { App } from "../../../../src/protocol/app.ts";
import { Keys } from "../../../../src/stores/redis/keys.ts";
import type { Script } from "../../../../src/stores/redis/script.ts";
import { testApp } from "../../../support/apps.ts";
import { testWebhook } from "../../../support/packager-rig.ts";
import { Random } from "../random.ts";
import { SimulatedRedis } from "../redis/simulated-redis.ts";
import { SimulatedProcess } from "../simulated-process.ts";
import { SimulatedTime } from "../simulated-time.ts";
import { Auditor } from "./auditor.ts";
import { ChannelsNode, placeText, type Place } from "./channels-node.ts";
import { Customer } from "./customer.ts";
import { PackagerProcess } from "./packager-process.ts";
import { SenderProcess } from "./sender-process.ts";

export const APP_IDS: readonly string[] = ["1", "2"];
export const PARTITIONS = 2;
const MAX_SKEW_MS = 5_000;
/** What is shown of a simulation that failed. */
const LAST_LINES = 40;

export interface WorldOptions {
  readonly seed: number;
  /** Packagers and senders as well as channels nodes. */
  readonly hasWebhooks: boolean;
  /** Notes also what the store does. */
  readonly isVerbose: boolean;
  sabotage(script: Script): Script;
}

/** All processes of one simulation, the store, and those who look on. */
export class World {
  readonly random: Random;
  readonly time: SimulatedTime;
  readonly redis: SimulatedRedis;
  readonly auditor: Auditor;
  readonly keys = new Keys("sim", PARTITIONS);
  readonly hasWebhooks: boolean;
  readonly customers: ReadonlyMap<string, Customer>;
  readonly nodes = new Set<ChannelsNode>();
  readonly packagers = new Set<PackagerProcess>();
  readonly senders = new Set<SenderProcess>();
  /** Channels' places and data of what clients sent and nodes promised to tell. */
  readonly acknowledged: (readonly [place: string, data: string])[] = [];
  readonly #apps: ReadonlyMap<string, App>;
  readonly #isVerbose: boolean;
  readonly #lines: string[] = [];
  #failure: string | undefined;
  #processes = 0;

  constructor({ seed, hasWebhooks, isVerbose, sabotage }: WorldOptions) {
    this.random = new Random(seed);
    this.time = new SimulatedTime(this.random);
    this.hasWebhooks = hasWebhooks;
    this.#isVerbose = isVerbose;
    this.auditor = new Auditor(this.fail, this.#detail);
    this.redis = new SimulatedRedis(this.time, this.random, this.auditor, sabotage);
    this.customers = new Map(APP_IDS.map((id) => [id, new Customer(id, this.fail)]));
    this.#apps = new Map(
      APP_IDS.map((id) => [
        id,
        testApp({ id, webhooks: [testWebhook()], batchWebhooks: id === "1" }),
      ]),
    );
  }

  /** The first of them counts: what follows may follow from it. */
  readonly fail = (what: string): void => {
    if (this.#failure !== undefined) return;
    this.#failure = what;
    this.note(`FAILED: ${what}`);
  };

  readonly #detail = (what: string): void => {
    if (this.#isVerbose) this.note(what);
  };

  get failure(): string | undefined {
    return this.#failure;
  }

  get story(): string {
    return (this.#isVerbose ? this.#lines : this.#lines.slice(-LAST_LINES)).join("\n");
  }

  note(what: string): void {
    this.#lines.push(`${this.time.nowMs.toFixed(2).padStart(10)} ${what}`);
  }

  pass(durationMs: number): void {
    this.time.pass(durationMs, () => this.#failure !== undefined);
  }

  get processes(): SimulatedProcess[] {
    return [...this.nodes, ...this.packagers, ...this.senders].map(({ process }) => process);
  }

  startNode(): ChannelsNode {
    const node = new ChannelsNode(this.#newProcess("node"), this.redis, this.keys, this.fail);
    this.nodes.add(node);
    return node;
  }

  startPackager(): void {
    const process = this.#newProcess("packager");
    this.packagers.add(new PackagerProcess(process, this.redis, this.keys, this.#apps));
  }

  startSender(): void {
    const process = this.#newProcess("sender");
    const sender = new SenderProcess(process, this.redis, this.keys, (job) => {
      this.#detail(`  ${process.name} delivers ${job.id} of app ${job.appId}: ${job.body}`);
      this.customers.get(job.appId)?.receive(job);
    });
    this.senders.add(sender);
  }

  crash(one: ChannelsNode | PackagerProcess | SenderProcess): void {
    one.process.crash();
    this.redis.breakLinks(one.process);
    this.forget(one);
  }

  /** It is no part of what is true any more. */
  forget(one: ChannelsNode | PackagerProcess | SenderProcess): void {
    for (const group of [this.nodes, this.packagers, this.senders] as Set<typeof one>[])
      group.delete(one);
  }

  /** Members by `app/channel`, of channels that somebody is on. */
  occupancy(): Map<string, Set<string>> {
    const occupancy = new Map<string, Set<string>>();
    for (const { channels } of this.nodes) {
      for (const [place, { members }] of channels) {
        const all = occupancy.get(place) ?? new Set();
        for (const user of members.keys()) all.add(user);
        occupancy.set(place, all);
      }
    }
    return occupancy;
  }

  subscribers(place: Place): number {
    return this.#sum((node) => node.channels.get(placeText(place))?.subscribers);
  }

  connections(appId: string): number {
    return this.#sum((node) => node.connections.get(appId));
  }

  isOnline(appId: string, userId: string): boolean {
    return this.#sum((node) => node.users.get(`${appId}/${userId}`)) > 0;
  }

  #sum(count: (node: ChannelsNode) => number | undefined): number {
    return Array.from(this.nodes, count).reduce<number>((sum, one) => sum + (one ?? 0), 0);
  }

  #newProcess(kind: string): SimulatedProcess {
    const skewMs = this.random.between(-MAX_SKEW_MS, MAX_SKEW_MS);
    return new SimulatedProcess(`${kind}${++this.#processes}`, this.time, skewMs);
  }
}
