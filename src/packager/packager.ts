import { newCounters, type Counters } from "./counters.ts";
import { Partition, type PackagerDependencies } from "./partition.ts";
import { OwnershipLost, type Ownership } from "./ports/event-log.ts";

/** The loop turns at least this often, so that somebody may tell whether it does. */
const MAX_PAUSE_MS = 1_000;
const OWN_INTERVAL_MS = 1_000;
/** What is appended in a burst is read, and settled, in one go. */
const GATHER_MS = 5;

export interface PackagerFigures {
  readonly counters: Counters;
  readonly partitions: number;
  /** Events in memory: waiting for their return, for their batch to fill, or for the log to take them. */
  readonly unsettled: number;
  /** How long an event has been due and is not settled, at worst; a leaving is due when its return did not come. */
  readonly oldestUnsettledMs: number;
}

interface Timer {
  readonly atMs: number;
  readonly cancel: () => void;
}

/**
 * The packager ring: makes the jobs of the partitions that this process owns.
 *
 *   new ──start──▶ running ──drain──▶ draining ──(flushed, released)──▶ drained ──close──▶ closed
 *                     └───────────────────────────close────────────────────────────────────▲
 *
 *   running   a loop that gives turns to the partitions that want one, and asks for ownership. It waits for none of them:
 *             a partition whose store hangs holds up neither the others nor the loop.
 *   draining  nothing is read any more. What has gathered becomes jobs; leavings that wait stay in the log.
 *
 * To be closed without being drained, or killed, costs the next owner a few reads and nobody an event.
 */
export class Packager {
  readonly #dependencies: PackagerDependencies;
  readonly #counters = newCounters();
  readonly #partitions = new Map<number, Partition>();
  #state: "new" | "running" | "draining" | "closed" = "new";
  #timer: Timer | undefined;
  #lastTurnMs: number;
  #hintAtMs = Number.POSITIVE_INFINITY;
  /** Partitions to which something may have been appended. */
  readonly #hinted = new Set<number>();
  #endHints: (() => void) | undefined;
  #ownAtMs = Number.NEGATIVE_INFINITY;
  #owning: Promise<void> | undefined;
  #canOwn = true;

  constructor(dependencies: PackagerDependencies) {
    this.#dependencies = dependencies;
    this.#lastTurnMs = dependencies.clock.elapsedMs();
  }

  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    this.#endHints = this.#dependencies.events.onAppend(this.#hint);
    this.#turn();
  }

  /** Resolves when all that has gathered is settled or has failed to be, and others may have the partitions. */
  async drain(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "draining";
    this.#endHints?.();
    await this.#owning;
    await Promise.all(Array.from(this.#partitions.values(), (one) => this.#flush(one)));
    this.#partitions.clear();
    try {
      await this.#dependencies.events.release();
    } catch (err) {
      this.#dependencies.log.warn({ err }, "could not release the partitions of the event log");
    }
  }

  /** Stops as it stands; resolves when no turn is under way any more. */
  async close(): Promise<void> {
    this.#state = "closed";
    this.#endHints?.();
    this.#timer?.cancel();
    await this.#owning;
    await Promise.all(Array.from(this.#partitions.values(), (one) => one.rest()));
    this.#partitions.clear();
  }

  figures(): PackagerFigures {
    const nowMs = this.#dependencies.clock.elapsedMs();
    let unsettled = 0;
    let oldestDueMs = nowMs;
    for (const partition of this.#partitions.values()) {
      unsettled += partition.unsettled;
      oldestDueMs = Math.min(oldestDueMs, partition.oldestDueMs);
    }
    return {
      counters: this.#counters,
      partitions: this.#partitions.size,
      unsettled,
      oldestUnsettledMs: nowMs - oldestDueMs,
    };
  }

  /** Elapsed time of the loop's last turn. It turns every second at least, until it is closed. */
  lastTurnMs(): number {
    return this.#lastTurnMs;
  }

  readonly #hint = (partition?: number): void => {
    if (partition !== undefined) this.#hinted.add(partition);
    else for (const number of this.#partitions.keys()) this.#hinted.add(number);
    if (this.#hintAtMs !== Number.POSITIVE_INFINITY) return;
    this.#hintAtMs = this.#dependencies.clock.elapsedMs() + GATHER_MS;
    this.#turnAt(this.#hintAtMs);
  };

  readonly #turn = (): void => {
    this.#timer = undefined;
    const nowMs = this.#dependencies.clock.elapsedMs();
    this.#lastTurnMs = nowMs;
    let nextMs = nowMs + MAX_PAUSE_MS;
    if (this.#state === "running") {
      if (this.#owning === undefined && this.#ownAtMs <= nowMs) this.#ask(nowMs);
      const isHinted = this.#hintAtMs <= nowMs;
      const hinted = isHinted ? new Set(this.#hinted) : undefined;
      if (isHinted) {
        this.#hintAtMs = Number.POSITIVE_INFINITY;
        this.#hinted.clear();
      }
      if (this.#ownAtMs > nowMs) nextMs = Math.min(nextMs, this.#ownAtMs);
      nextMs = Math.min(nextMs, this.#hintAtMs);
      for (const [number, partition] of this.#partitions) {
        if (hinted?.has(number) === true) partition.wake();
        if (partition.dueMs <= nowMs) void this.#give(partition);
        nextMs = Math.min(nextMs, partition.dueMs);
      }
    }
    this.#turnAt(nextMs);
  };

  #turnAt(atMs: number): void {
    if (this.#state === "closed") return;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    const { clock } = this.#dependencies;
    const delayMs = Math.max(0, atMs - clock.elapsedMs());
    this.#timer = { atMs, cancel: clock.after(delayMs, this.#turn) };
  }

  async #give(partition: Partition): Promise<void> {
    try {
      await partition.turn();
    } catch {
      this.#lose([partition]);
      return;
    }
    if (this.#state === "running") this.#turnAt(partition.dueMs);
  }

  #ask(nowMs: number): void {
    this.#ownAtMs = nowMs + OWN_INTERVAL_MS;
    this.#owning = this.#own().finally(() => {
      this.#owning = undefined;
    });
  }

  async #own(): Promise<void> {
    const { events, log } = this.#dependencies;
    try {
      const owned = await events.own();
      this.#take(owned);
      if (!this.#canOwn) log.info({}, "the event log answers again who owns what");
      this.#canOwn = true;
    } catch (err) {
      if (this.#canOwn) log.error({ err }, "could not ask for partitions of the event log");
      this.#canOwn = false;
    }
  }

  #take(owned: readonly Ownership[]): void {
    const kept = new Set<number>();
    for (const ownership of owned) {
      kept.add(ownership.partition);
      const held = this.#partitions.get(ownership.partition);
      if (held?.ownership.epoch === ownership.epoch) continue;
      const partition = new Partition(ownership, this.#dependencies, this.#counters);
      this.#partitions.set(ownership.partition, partition);
      this.#turnAt(partition.dueMs);
    }
    const lost = [...this.#partitions.values()].filter(
      ({ ownership: { partition } }) => !kept.has(partition),
    );
    this.#lose(lost);
  }

  /** All that was in memory is the other's to read. */
  #lose(lost: readonly Partition[]): void {
    const partitions = lost.map(({ ownership: { partition } }) => partition);
    for (const [i, partition] of partitions.entries())
      if (this.#partitions.get(partition) === lost[i]) this.#partitions.delete(partition);
    if (partitions.length > 0)
      this.#dependencies.log.info({ partitions }, "another process owns the partitions now");
  }

  async #flush(partition: Partition): Promise<void> {
    try {
      await partition.flush();
    } catch (err) {
      if (err instanceof OwnershipLost) return;
      const { partition: number } = partition.ownership;
      const message = "could not settle what has gathered: the next owner will";
      this.#dependencies.log.warn({ partition: number, err }, message);
    }
  }
}
