import type { Figure } from "./figure.ts";

/** One line of the table: what one contestant did in one workload. */
export interface Row {
  readonly contestant: string;
  /** Why there is no figure; null when there is one. */
  readonly failure: string | null;
  readonly figure: Figure | null;
  readonly unit: string;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** How many operations the figure stands on, and whatever else a reader has to know about it. */
  readonly basis: string;
}

export interface Goal {
  readonly text: string;
  readonly atMost: number;
  /** Null when a contestant that it compares with has no figure. */
  readonly figure: Figure | null;
  readonly unit: string;
}

/** One workload's part of the table. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly goals: readonly Goal[];
}

export function reached(goal: Goal): boolean | null {
  return goal.figure === null ? null : goal.figure.median <= goal.atMost;
}
