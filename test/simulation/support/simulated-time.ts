import { drainMicrotasks } from "bun:jsc";
import type { Random } from "./random.ts";

/** Times are whole multiples of this, so that they add up exactly: nobody is woken a hair too early, for ever. */
const TICKS_PER_MS = 1_024;
/** Ranks of what has an order are below those that are drawn. */
const IN_ORDER = 2 ** 52;

interface Planned {
  readonly atMs: number;
  /** Decides between events of one moment. */
  readonly rank: number;
  readonly happen: () => void;
  isCancelled: boolean;
}

/**
 * The one clock and the one queue of events of a simulation. Nothing happens but what is planned here, one event after the
 * other, and what promises make of an event has happened before the next one.
 */
export class SimulatedTime {
  readonly #random: Random;
  /** A heap: the next event first. */
  readonly #planned: Planned[] = [];
  #nowMs = 0;
  #ordered = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Returns the function that cancels it. Events of one moment come in an order that the seed decides. */
  in(delayMs: number, happen: () => void): () => void {
    return this.#plan(this.#nowMs + Math.max(0, delayMs), this.#random.next(), happen);
  }

  /** Among those of one moment in the order of these calls, and before those of `in`. */
  atInOrder(atMs: number, happen: () => void): () => void {
    return this.#plan(Math.max(atMs, this.#nowMs), ++this.#ordered - IN_ORDER, happen);
  }

  /** Lets time pass. `isOver` is asked after each event. */
  pass(durationMs: number, isOver: () => boolean): void {
    const untilMs = this.#nowMs + Math.ceil(durationMs * TICKS_PER_MS) / TICKS_PER_MS;
    drainMicrotasks();
    for (;;) {
      const next = this.#planned[0];
      if (next === undefined || next.atMs > untilMs || isOver()) break;
      this.#takeFirst();
      if (next.isCancelled) continue;
      this.#nowMs = next.atMs;
      next.happen();
      drainMicrotasks();
    }
    if (!isOver()) this.#nowMs = untilMs;
  }

  #plan(atMs: number, rank: number, happen: () => void): () => void {
    const planned = {
      atMs: Math.ceil(atMs * TICKS_PER_MS) / TICKS_PER_MS,
      rank,
      happen,
      isCancelled: false,
    };
    this.#insert(planned);
    return () => {
      planned.isCancelled = true;
    };
  }

  #insert(planned: Planned): void {
    const heap = this.#planned;
    let place = heap.push(planned) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Planned;
      if (!isBefore(planned, parent)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = planned;
  }

  #takeFirst(): void {
    const heap = this.#planned;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Planned)) child++;
      const lower = heap[child] as Planned;
      if (!isBefore(lower, last)) break;
      heap[place] = lower;
      place = child;
    }
    heap[place] = last;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs === b.atMs ? a.rank < b.rank : a.atMs < b.atMs;
}
