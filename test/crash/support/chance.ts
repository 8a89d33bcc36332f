import { createHash, randomBytes } from "node:crypto";

/** CRASH_SEED replays the decisions of an earlier run; when the system carries each out is its own affair. */
export const CRASH_SEED = process.env["CRASH_SEED"] ?? randomBytes(4).toString("hex");

/**
 * The decisions of one actor, as the seed and the actor's name have them: one of its own each, for whose turn comes first
 * is different in every run.
 */
export class Chance {
  #state: number;

  constructor(actor: string) {
    this.#state = createHash("sha256").update(`${CRASH_SEED}/${actor}`).digest().readUInt32BE();
  }

  /** From 0 up to, but never, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }
}
