import type { Clock } from "../../../channels/ports/clock.ts";
import { RedisFault, type RedisConnection, type Reply } from "../connection.ts";
import { differences, readInventory } from "./inventory.ts";
import type { Keys } from "../keys.ts";
import joinSource from "../lua/join.lua" with { type: "text" };
import lastBatchSource from "../lua/last-batch.lua" with { type: "text" };
import timeSource from "../lua/time.lua" with { type: "text" };
import writeSource from "../lua/write.lua" with { type: "text" };
import type { Operation } from "./operation.ts";
import { Said } from "./said.ts";
import { script } from "../script.ts";
import type { StoreTime } from "../time.ts";

export const WRITE = script("write", timeSource, writeSource);
const JOIN = script("join", joinSource);
const LAST_BATCH = script("last-batch", lastBatchSource);

/** Bounds how long the server is busy with one script. */
export const BATCH_OPERATIONS = 64;
/** Callers wait for the store so long; what they said is written later all the same, but events are not. */
const GIVE_UP_AFTER_MS = 10_000;
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 1_000;

export interface WriterDependencies {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly time: StoreTime;
  random(): number;
}

interface Write {
  readonly operation: Operation;
  /** What it changes in what was said; undefined where it is over when it is done. */
  readonly note: ((said: Said) => void) | undefined;
  readonly atMs: number;
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

interface Batch {
  writes: readonly Write[];
  /** Undefined until it is sent, and after a time at which the store knew nothing of us. */
  number: number | undefined;
  /** The number under which it was sent last: it may have been applied before the store forgot us. */
  sentAs: number;
}

/**
 * What one node writes to one partition, in order.
 *
 *   outside ──first write, or something to make good──▶ joining ──(the store has what was said)──▶ inside
 *      ▲                                                   │                                        │
 *      └────────── the store does not know us, or not all that we wrote; a caller gave up ──────────┘
 *
 * One batch is under way at a time, and what is said meanwhile gathers for the next. A batch that fails is sent again,
 * unchanged, until it is answered: its number tells the store whether it has it.
 *
 * The store forgets us when we stood still and were taken for dead, when it was emptied, and it falls behind when a replica
 * took over that lacked the last writes. All three are one case: we tell it who we are, look what it has of us, write the
 * differences to what was said so far, and go on with what is still to be said.
 */
export class PartitionWriter {
  readonly #partition: number;
  readonly #dependencies: WriterDependencies;
  readonly #said = new Said();
  readonly #base: string;
  readonly #nodesKey: string;
  #waiting: Write[] = [];
  #batch: Batch | undefined;
  #number = 0;
  #isInside = false;
  #mustJoin = false;
  #working: Promise<void> | undefined;
  #failures = 0;
  #cancelPause: (() => void) | undefined;
  #isClosed = false;

  constructor(partition: number, dependencies: WriterDependencies) {
    const { keys } = dependencies;
    this.#partition = partition;
    this.#dependencies = dependencies;
    this.#base = keys.in(partition, "");
    this.#nodesKey = keys.in(partition, "nodes");
  }

  /** Writes that wait, those under way included. */
  get waiting(): number {
    return this.#waiting.length + (this.#batch?.writes.length ?? 0);
  }

  /** Resolves with the script's reply to the operation. */
  write(operation: Operation, note?: (said: Said) => void): Promise<Reply> {
    const atMs = this.#dependencies.clock.elapsedMs();
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closed());
      this.#waiting.push({ operation, note, atMs, resolve, reject });
      this.#workSoon();
    });
  }

  /** Looks whether the store still has what we wrote, unless there is something under way that will show it. */
  async verify(): Promise<void> {
    if (this.#working !== undefined || this.#number === 0) return;
    const { connection, nodeId } = this.#dependencies;
    const number = this.#number;
    const last = await connection.run(LAST_BATCH, [this.#nodesKey], [nodeId]);
    if (this.#working !== undefined || this.#number !== number) return;
    if (this.#isInside && last === `${number}`) return;
    this.#isInside = false;
    // A store that knows us may have something that we took back, and it has forgotten.
    if (last === null && this.#said.isEmpty) return;
    this.#mustJoin = true;
    this.#workSoon();
  }

  /** Resolves when nothing waits any more; that may take as long as the store is away. */
  async rest(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelPause?.();
    const left = [...(this.#batch?.writes ?? []), ...this.#waiting];
    this.#waiting = [];
    this.#batch = undefined;
    for (const { reject } of left) reject(closed());
  }

  #workSoon(): void {
    // What the caller says in the same turn goes with it.
    this.#working ??= Promise.resolve().then(() => this.#work());
  }

  async #work(): Promise<void> {
    while (!this.#isClosed && this.#hasWork) {
      try {
        if (this.#isInside) await this.#send(this.#nextBatch());
        else await this.#join();
        this.#failures = 0;
      } catch (error) {
        if (this.#isClosed) break;
        this.#giveUpOld(error);
        await this.#pause();
      }
    }
    this.#working = undefined;
  }

  get #hasWork(): boolean {
    return this.#mustJoin || this.#batch !== undefined || this.#waiting.length > 0;
  }

  #nextBatch(): Batch {
    if (this.#batch === undefined) {
      const writes = this.#waiting.splice(0, BATCH_OPERATIONS);
      this.#batch = { writes, number: undefined, sentAs: 0 };
    }
    return this.#batch;
  }

  async #send(batch: Batch): Promise<void> {
    batch.number ??= ++this.#number;
    batch.sentAs = batch.number;
    const operations = batch.writes.map(({ operation }) => operation);
    const replies = await this.#run(batch.number, operations);
    if (this.#isClosed) return;
    if (replies === undefined) {
      batch.number = undefined;
      this.#isInside = false;
      return;
    }
    this.#batch = undefined;
    for (const [i, { note, resolve }] of batch.writes.entries()) {
      const reply = replies[i] ?? null;
      // A presence channel that is full has taken nothing.
      if (reply !== 0) note?.(this.#said);
      resolve(reply);
    }
  }

  async #join(): Promise<void> {
    const { connection, keys, nodeId } = this.#dependencies;
    const lastKey = keys.in(this.#partition, `last:${nodeId}`);
    const applied = await connection.run(
      JOIN,
      [this.#nodesKey, lastKey],
      [nodeId, `${this.#number}`],
    );
    this.#leaveOutRecorded(Number(applied));
    const inventory = await readInventory(connection, keys, this.#partition, nodeId);
    const operations = differences(this.#said, inventory);
    for (let i = 0; i < operations.length; i += BATCH_OPERATIONS) {
      const replies = await this.#run(++this.#number, operations.slice(i, i + BATCH_OPERATIONS));
      if (replies === undefined)
        throw new RedisFault("not-ready", "The store forgot us meanwhile.");
    }
    this.#isInside = true;
    this.#mustJoin = false;
  }

  /**
   * A batch whose answer was lost, before we were taken for dead, was applied: what it held is gone since and said again, but
   * its events are in the log.
   */
  #leaveOutRecorded(applied: number): void {
    const batch = this.#batch;
    if (batch === undefined || batch.sentAs === 0 || batch.sentAs > applied) return;
    const isEvent = ({ operation: [kind] }: Write): boolean => kind === "E" || kind === "M";
    for (const write of batch.writes) if (isEvent(write)) write.resolve(1);
    batch.writes = batch.writes.filter((write) => !isEvent(write));
    batch.sentAs = 0;
    if (batch.writes.length === 0) this.#batch = undefined;
  }

  /** Undefined when the store does not know us. */
  async #run(
    number: number,
    operations: readonly Operation[],
  ): Promise<readonly Reply[] | undefined> {
    const { connection, nodeId, time } = this.#dependencies;
    const head = [time(), this.#base, nodeId, `${number}`];
    const reply = await connection.run(WRITE, [this.#nodesKey], head.concat(...operations));
    return Array.isArray(reply) ? (reply as readonly Reply[]) : undefined;
  }

  /** Callers are told; what they said counts as said, and the store is brought to it when it is back. */
  #giveUpOld(error: unknown): void {
    const beforeMs = this.#dependencies.clock.elapsedMs() - GIVE_UP_AFTER_MS;
    const isOld = ({ atMs }: Write): boolean => atMs <= beforeMs;
    const old: Write[] = [];
    if (this.#batch?.writes.some(isOld) === true) {
      old.push(...this.#batch.writes);
      this.#batch = undefined;
    }
    if (this.#batch === undefined) {
      const young = this.#waiting.findIndex((write) => !isOld(write));
      old.push(...this.#waiting.splice(0, young === -1 ? this.#waiting.length : young));
    }
    if (old.length === 0) return;
    this.#isInside = false;
    this.#mustJoin = true;
    for (const { note, reject } of old) {
      note?.(this.#said);
      reject(error);
    }
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#dependencies;
    const mostMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, MAX_PAUSE_MS);
    this.#failures++;
    return new Promise((resolve) => {
      const end = clock.after(mostMs * (0.5 + random() / 2), resolve);
      this.#cancelPause = () => {
        end();
        resolve();
      };
    });
  }
}

function closed(): RedisFault {
  return new RedisFault("unreachable", "The connection to the store is closed.");
}
