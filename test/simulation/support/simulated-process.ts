import type { Clock } from "../../../src/channels/ports/clock.ts";
import type { SimulatedTime } from "./simulated-time.ts";

/** Somewhen in 2025. */
const EPOCH_MS = 1_750_000_000_000;

/**
 * A process of a simulation: whatever reaches it from outside, a timer or an answer, enters through here.
 *
 *   running ⇄ paused ; ──crash, from anywhere──▶ dead
 *
 * While it is paused, what reaches it waits, and comes in order when it goes on; its clocks have gone on meanwhile. What
 * reaches a dead one is gone.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #time: SimulatedTime;
  readonly #startedAtMs: number;
  #skewMs: number;
  #state: "running" | "paused" | "dead" = "running";
  #waiting: (() => void)[] = [];

  constructor(name: string, time: SimulatedTime, skewMs: number) {
    this.name = name;
    this.#time = time;
    this.#skewMs = skewMs;
    this.#startedAtMs = time.nowMs;
    this.clock = {
      now: () => Math.floor(EPOCH_MS + time.nowMs + this.#skewMs),
      elapsedMs: () => time.nowMs - this.#startedAtMs,
      after: (delayMs, callback) => {
        let isCancelled = false;
        const cancel = time.in(delayMs, () =>
          this.enter(() => {
            if (!isCancelled) callback();
          }),
        );
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
  }

  get isAlive(): boolean {
    return this.#state !== "dead";
  }

  get isRunning(): boolean {
    return this.#state === "running";
  }

  enter(happen: () => void): void {
    if (this.#state === "running") happen();
    else if (this.#state === "paused") this.#waiting.push(happen);
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    const waiting = this.#waiting;
    this.#waiting = [];
    // One event each, as they would have been.
    for (const happen of waiting) this.#time.atInOrder(this.#time.nowMs, () => this.enter(happen));
  }

  crash(): void {
    this.#state = "dead";
    this.#waiting = [];
  }

  /** Somebody sets its wall clock. */
  setSkew(skewMs: number): void {
    this.#skewMs = skewMs;
  }
}

export function wallUs(time: SimulatedTime, skewMs: number): number {
  return Math.floor((EPOCH_MS + time.nowMs + skewMs) * 1_000);
}
