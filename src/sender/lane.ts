import type { AppLoad } from "./app-load.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { ConcurrencyLimit } from "./concurrency-limit.ts";
import { OwnFaults } from "./own-faults.ts";

/** What this process knows of one endpoint, and has under way to it. Other processes find out for themselves. */
export class Lane {
  readonly app: AppLoad;
  readonly endpointId: string;
  readonly limit: ConcurrencyLimit;
  readonly breaker = new CircuitBreaker();
  readonly ownFaults = new OwnFaults();
  inFlight = 0;
  /** By the lease call that is under way. */
  taken = 0;
  /** Counted among those that fail (`Lanes`). */
  isFailing = false;
  /** When something last began or ended. */
  usedAtMs: number;
  /** When we last had it paused: requests that began before tell the same once more. */
  pausedAtMs = -Infinity;

  constructor(app: AppLoad, endpointId: string, maxConcurrency: number, nowMs: number) {
    this.app = app;
    this.endpointId = endpointId;
    this.limit = new ConcurrencyLimit(maxConcurrency);
    this.usedAtMs = nowMs;
  }

  get isHealthy(): boolean {
    return this.breaker.failures === 0 && !this.ownFaults.areKnown;
  }

  /** How many more requests the endpoint itself may have. */
  room(nowMs: number): number {
    const limit = Math.min(this.limit.value, this.ownFaults.limit(nowMs));
    return Math.min(limit - this.inFlight, this.breaker.room(nowMs)) - this.taken;
  }
}
