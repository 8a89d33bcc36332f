import type {
  RedisConnection,
  SubscriptionListener,
} from "../../../../src/stores/redis/connection.ts";
import type { Script } from "../../../../src/stores/redis/script.ts";
import type { Random } from "../random.ts";
import { wallUs, type SimulatedProcess } from "../simulated-process.ts";
import type { SimulatedTime } from "../simulated-time.ts";
import { Ambushes } from "./ambushes.ts";
import { fromBytes, toBytes } from "./bytes.ts";
import type { Keyspace } from "./keyspace.ts";
import type { RawReply } from "./reply.ts";
import { SimulatedConnection } from "./simulated-connection.ts";
import { SimulatedLink } from "./simulated-link.ts";
import { SimulatedServer } from "./simulated-server.ts";
import { SimulatedSubscriber } from "./simulated-subscriber.ts";

/** Watches the server from outside the simulated world. */
export interface Witness {
  /** A script is about to run, now. */
  before(script: Script, keys: readonly string[], args: readonly string[], db: Keyspace): void;
  after(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    reply: RawReply,
    db: Keyspace,
  ): void;
  /** A command within a script was done. */
  command(name: string, args: readonly string[]): void;
  /** A message got its place in the order of its channel. */
  published(channel: string, message: string): number;
  /** A script failed, which none should. */
  fault(error: unknown): void;
}

interface Ear {
  readonly link: SimulatedLink;
  hear(channel: string, message: string, place: number): void;
}

const FASTEST_MS = 0.05;
const SLOWEST_MS = 2;
const HOLD_UP_MS = 400;

/**
 * One Redis, its network, and what can go wrong with both. Everything takes its time, which the seed decides.
 *
 *   up ⇄ standing still ; up ──restart, failover──▶ down ──▶ up
 */
export class SimulatedRedis {
  readonly server: SimulatedServer;
  readonly time: SimulatedTime;
  readonly random: Random;
  /** Of the message that is being heard: its place in the order of its channel. */
  heardPlace = 0;
  readonly ambushes: Ambushes;
  readonly #witness: Witness;
  readonly #sabotage: (script: Script) => Script;
  readonly #ears = new Map<string, Set<Ear>>();
  readonly #links = new Map<SimulatedProcess, Set<SimulatedLink>>();
  readonly #cutOff = new Set<SimulatedProcess>();
  #state: "up" | "standing still" | "down" = "up";
  #waiting: (() => void)[] = [];
  #replica: Keyspace | undefined;
  #skewMs = 0;

  constructor(
    time: SimulatedTime,
    random: Random,
    witness: Witness,
    sabotage: (script: Script) => Script,
  ) {
    this.#sabotage = sabotage;
    this.ambushes = new Ambushes(random);
    this.time = time;
    this.random = random;
    this.#witness = witness;
    this.server = new SimulatedServer({
      nowUs: () => wallUs(time, this.#skewMs),
      random: random.next,
      publish: (channel, message) => this.publish(channel, message),
      command: (name, args) => witness.command(name, args),
    });
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  connect(process: SimulatedProcess): RedisConnection {
    return new SimulatedConnection(this, process);
  }

  subscriber(process: SimulatedProcess, listener: SubscriptionListener): SimulatedSubscriber {
    return new SimulatedSubscriber(this, process, listener);
  }

  /** Undefined where there is no way to the server now. */
  open(process: SimulatedProcess): SimulatedLink | undefined {
    if (this.#state === "down" || this.#cutOff.has(process) || !process.isAlive) return undefined;
    const link = new SimulatedLink(process, {
      time: this.time,
      random: this.random,
      latencyMs: () => this.#latencyMs(),
      atServer: (work) => this.#atServer(work),
    });
    const links = this.#links.get(process) ?? new Set();
    for (const old of links) if (!old.isOpen) links.delete(old);
    links.add(link);
    this.#links.set(process, links);
    return link;
  }

  /** At the server, now. */
  execute(
    process: SimulatedProcess,
    script: Script,
    keys: readonly string[],
    args: readonly string[],
  ): RawReply {
    const { db } = this.server;
    try {
      this.#witness.before(script, keys, args, db);
      const reply = this.server.run(this.#sabotage(script), keys, args);
      this.#witness.after(script, keys, args, reply, db);
      this.ambushes.spring(process, script, "done");
      return reply;
    } catch (error) {
      this.#witness.fault(error);
      throw error;
    }
  }

  /** At the server, now. In bytes; answers how many will get it. */
  publish(channel: string, message: string): number {
    const ears = this.#ears.get(channel);
    const place = this.#witness.published(channel, message);
    if (ears === undefined) return 0;
    const [name, text] = [fromBytes(channel), fromBytes(message)];
    for (const ear of ears) ear.link.deliver(() => ear.hear(name, text, place));
    return ears.size;
  }

  /** At the server, now. */
  addEar(channel: string, ear: Ear): void {
    const key = toBytes(channel);
    const ears = this.#ears.get(key) ?? new Set();
    for (const old of ears) if (!old.link.isOpen) ears.delete(old);
    ears.add(ear);
    this.#ears.set(key, ears);
  }

  /** At the server, now. */
  removeEar(channel: string, ear: Ear): void {
    this.#ears.get(toBytes(channel))?.delete(ear);
  }

  // What can go wrong.

  breakLinks(process: SimulatedProcess): void {
    for (const link of this.#links.get(process) ?? []) link.break("unreachable", "some");
  }

  /** Everything that is under way from the process arrives, and much later. */
  holdUp(process: SimulatedProcess): void {
    for (const link of this.#links.get(process) ?? []) link.break("unreachable", "nothing");
  }

  /** No way from the process to the server, until `rejoin`. */
  cutOff(process: SimulatedProcess): void {
    this.#cutOff.add(process);
    this.breakLinks(process);
  }

  rejoin(process: SimulatedProcess): void {
    this.#cutOff.delete(process);
  }

  standStill(forMs: number): void {
    if (this.#state !== "up") return;
    this.#state = "standing still";
    this.time.in(forMs, () => {
      if (this.#state !== "standing still") return;
      this.#state = "up";
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const work of waiting) work();
    });
  }

  /** Data that was written stays. */
  restart(downMs: number): void {
    this.#goDown(downMs);
  }

  /** From now on the replica gets no writes any more. */
  loseReplica(): void {
    this.#replica = this.server.replica();
  }

  /** The replica takes over, which may lack the last writes. Answers whether there was one. */
  failOver(downMs: number): boolean {
    if (this.#replica === undefined) return false;
    this.server.db.become(this.#replica);
    this.#replica = undefined;
    this.#goDown(downMs);
    return true;
  }

  /** On the replica, too. */
  flush(): void {
    this.server.db.clear();
    this.#replica = undefined;
  }

  /** Somebody sets the server's clock. */
  setSkew(skewMs: number): void {
    this.#skewMs = skewMs;
  }

  #goDown(downMs: number): void {
    this.#state = "down";
    this.#waiting = [];
    for (const links of this.#links.values())
      for (const link of links) link.break("unreachable", "all");
    this.#ears.clear();
    this.time.in(downMs, () => {
      this.#state = "up";
    });
  }

  #atServer(work: () => void): void {
    if (this.#state === "up") work();
    else if (this.#state === "standing still") this.#waiting.push(work);
  }

  #latencyMs(): number {
    const { random } = this;
    return random.chance(0.01)
      ? random.between(SLOWEST_MS, HOLD_UP_MS)
      : random.between(FASTEST_MS, SLOWEST_MS);
  }
}
