import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import type { RedisConnection, Reply } from "../connection.ts";
import type { Keys } from "../keys.ts";
import beatSource from "../lua/beat.lua" with { type: "text" };
import dueCountsSource from "../lua/due-counts.lua" with { type: "text" };
import enlistSource from "../lua/enlist.lua" with { type: "text" };
import partSource from "../lua/part.lua" with { type: "text" };
import presentSource from "../lua/present.lua" with { type: "text" };
import timeSource from "../lua/time.lua" with { type: "text" };
import { lateCountOperation } from "./operation.ts";
import type { PartitionWriters } from "./partition-writers.ts";
import type { Reaper } from "./reaper.ts";
import { script } from "../script.ts";
import type { StoreTime } from "../time.ts";

const BEAT = script("beat", timeSource, beatSource);
const PART = script("part", partSource);
const PRESENT = script("present", presentSource);
const ENLIST = script("enlist", timeSource, enlistSource);
const DUE_COUNTS = script("due-counts", timeSource, dueCountsSource);

/** Signs of life in the time after which a node is dead. */
const BEATS_PER_TIMEOUT = 5;
/** Whoever cleans up and is not done by then has died over it, or others may help. */
const REAPER_TIMEOUT_MS = 60_000;
const OVERDUE_MS = 1_000;
const COUNTS_AT_A_TIME = 100;

export interface RegistryDependencies {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly nodeId: string;
  readonly writers: PartitionWriters;
  readonly reaper: Reaper;
  readonly clock: Clock;
  readonly time: StoreTime;
  readonly log: Log;
  readonly nodeTimeoutMs: number;
}

export interface RegistryFigures {
  /** Channels nodes that gave a sign of life lately, this one included. */
  readonly nodes: number;
  /** Dead nodes that this one has cleaned up after. */
  readonly reaped: number;
}

/**
 * Who is there: says at intervals that this node is, and cleans up after those that say so no more.
 *
 *   new ──start──▶ beating ──leave──▶ gone
 *
 * With each sign of life it looks whether the store still has what this node wrote, and, together with the other nodes,
 * for what those left who are gone: counts that they were to tell, and whatever they hold without being on the list.
 */
export class NodeRegistry {
  readonly #dependencies: RegistryDependencies;
  readonly #intervalMs: number;
  #cancel: (() => void) | undefined;
  #isGone = false;
  #beating: Promise<void> | undefined;
  #chores: Promise<void> | undefined;
  #nextPartition = 0;
  #nodes = 1;
  #reaped = 0;
  readonly #reaping = new Set<string>();

  constructor(dependencies: RegistryDependencies) {
    this.#dependencies = dependencies;
    this.#intervalMs = dependencies.nodeTimeoutMs / BEATS_PER_TIMEOUT;
  }

  /** Resolves when the others know of this node. */
  async start(): Promise<void> {
    await this.#beat();
    this.#schedule();
  }

  figures(): RegistryFigures {
    return { nodes: this.#nodes, reaped: this.#reaped };
  }

  /** Gives up what this node holds, and is struck off the list. */
  async leave(): Promise<void> {
    this.#isGone = true;
    this.#cancel?.();
    await this.#beating;
    await this.#chores;
    const { reaper, nodeId } = this.#dependencies;
    await reaper.reap(nodeId);
    await this.#part(nodeId, "leaves");
  }

  /** Ends without a word: the others will find out. */
  close(): void {
    this.#isGone = true;
    this.#cancel?.();
  }

  #schedule(): void {
    if (this.#isGone) return;
    this.#cancel = this.#dependencies.clock.after(this.#intervalMs, () => {
      this.#beating = this.#round().finally(() => {
        this.#beating = undefined;
        this.#schedule();
      });
    });
  }

  /** A store that is away is noticed, and told of, elsewhere. */
  async #round(): Promise<void> {
    try {
      const dead = await this.#beat();
      for (const nodeId of dead) void this.#reap(nodeId);
      // A sign of life waits for nothing else.
      this.#chores ??= this.#doChores().finally(() => {
        this.#chores = undefined;
      });
    } catch (err) {
      this.#dependencies.log.debug({ err }, "could not give a sign of life");
    }
  }

  async #doChores(): Promise<void> {
    try {
      await this.#dependencies.writers.verify();
      const partitions = this.#nextShare();
      await this.#enlistPresent(partitions);
      await this.#tellOverdueCounts(partitions);
    } catch (err) {
      this.#dependencies.log.debug({ err }, "could not look after the partitions");
    }
  }

  async #beat(): Promise<readonly string[]> {
    const { connection, keys, nodeId, time, nodeTimeoutMs } = this.#dependencies;
    const reply = (await connection.run(
      BEAT,
      [...this.#keys(), keys.nodes("beat")],
      [time(), nodeId, `${nodeTimeoutMs}`, `${REAPER_TIMEOUT_MS}`],
    )) as readonly Reply[];
    this.#nodes = Number(reply[1]);
    return reply.slice(2).map(String);
  }

  async #reap(deadId: string): Promise<void> {
    if (this.#reaping.has(deadId)) return;
    this.#reaping.add(deadId);
    const { reaper, log, clock } = this.#dependencies;
    const startedAtMs = clock.elapsedMs();
    log.warn({ deadNode: deadId }, "a node gives no sign of life: cleaning up after it");
    try {
      await reaper.reap(deadId);
      if (await this.#part(deadId, "dead")) {
        this.#reaped++;
        const tookMs = Math.round(clock.elapsedMs() - startedAtMs);
        log.info({ deadNode: deadId, tookMs }, "cleaned up after a dead node");
      }
    } catch (err) {
      log.warn(
        { deadNode: deadId, err },
        "could not clean up after a dead node: tried again later",
      );
    } finally {
      this.#reaping.delete(deadId);
    }
  }

  async #part(nodeId: string, how: "leaves" | "dead"): Promise<boolean> {
    return (await this.#dependencies.connection.run(PART, this.#keys(), [nodeId, how])) === 1;
  }

  /** Of the partitions: all nodes together look at each about once in an interval. */
  #nextShare(): readonly number[] {
    const { partitions } = this.#dependencies.keys;
    const share = Math.ceil(partitions / this.#nodes);
    const next = Array.from({ length: share }, (_, i) => (this.#nextPartition + i) % partitions);
    this.#nextPartition = (this.#nextPartition + share) % partitions;
    return next;
  }

  async #enlistPresent(partitions: readonly number[]): Promise<void> {
    const { connection, keys, time } = this.#dependencies;
    const present = new Set<string>();
    await Promise.all(
      partitions.map(async (partition) => {
        const nodeIds = await connection.run(PRESENT, [keys.in(partition, "nodes")], []);
        for (const nodeId of nodeIds as readonly string[]) present.add(nodeId);
      }),
    );
    if (present.size === 0) return;
    await connection.run(ENLIST, [keys.nodes("channels")], [time(), ...present]);
  }

  async #tellOverdueCounts(partitions: readonly number[]): Promise<void> {
    const { connection, keys, writers, time } = this.#dependencies;
    await Promise.all(
      partitions.map(async (partition) => {
        const args = [time(), `${OVERDUE_MS}`, `${COUNTS_AT_A_TIME}`];
        const places = await connection.run(DUE_COUNTS, [keys.in(partition, "counts")], args);
        for (const place of (places ?? []) as readonly string[]) {
          const slash = place.indexOf("/");
          const operation = lateCountOperation(place.slice(0, slash), place.slice(slash + 1));
          await writers.at(partition).write(operation);
        }
      }),
    );
  }

  #keys(): string[] {
    const { keys } = this.#dependencies;
    return [keys.nodes("channels"), keys.nodes("reapers")];
  }
}
