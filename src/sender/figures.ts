import type { AttemptResult } from "./ports/delivery-log.ts";
import type { BreakerState } from "./circuit-breaker.ts";
import type { HistogramFigures } from "./histogram.ts";

/** What was done for one app since the process started. */
export interface AppFigures {
  readonly appId: string;
  readonly inFlight: number;
  /** Those that were delivered among them, and those that did not count. */
  readonly attempts: Readonly<Record<AttemptResult, number>>;
  /** Jobs that this process gave up. */
  readonly buried: number;
}

export interface SenderFigures {
  readonly apps: readonly AppFigures[];
  readonly slots: number;
  readonly inFlight: number;
  /** Endpoints that nothing is sent to, or a probe at most. */
  readonly openBreakers: number;
  /** Leases that ended before their delivery did: what was sent is sent again. */
  readonly leasesLost: number;
  /** Of requests that the receiver is to answer for, delivered or not. */
  readonly attemptSeconds: HistogramFigures;
  /** From the making of a job to its delivery. */
  readonly deliveryAgeSeconds: HistogramFigures;
}

/** What a sender has done since it started. */
export interface SenderWork {
  /** Attempts that the receiver answered, whatever it said. */
  readonly answered: number;
  /** For how long the slots were at full load. Those that failing endpoints hold are no load. */
  readonly slotLoadMs: number;
}

/** How one endpoint fares, as this process sees it. */
export interface EndpointState {
  readonly endpointId: string;
  readonly breaker: BreakerState;
  readonly inFlight: number;
  /** Requests at once. */
  readonly limit: number;
  readonly consecutiveFailures: number;
}

export const ATTEMPT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30];
/** Fine where all is well, and up to the longest retry window. */
export const DELIVERY_AGE_SECONDS = [
  0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 21_600, 86_400, 259_200,
];
