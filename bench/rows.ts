import { figureOf } from "./figure.ts";
import type { Measurement } from "./load.ts";
import type { Outcome } from "./rounds.ts";
import type { Row } from "./section.ts";

export function deliveryCpuUs(round: Measurement): number {
  return round.serverCpuNs / 1_000 / round.deliveries;
}

export function deliveryRows(outcomes: readonly Outcome<Measurement>[]): Row[] {
  return measurementRows(outcomes, {
    value: deliveryCpuUs,
    unit: "us/delivery",
    operations: (round) => round.deliveries,
    noun: "deliveries",
  });
}

export interface RowPlan {
  readonly value: (round: Measurement) => number;
  readonly unit: string;
  readonly operations: (round: Measurement) => number;
  readonly noun: string;
}

export function measurementRows(outcomes: readonly Outcome<Measurement>[], plan: RowPlan): Row[] {
  return outcomes.map((outcome): Row => {
    const { contestant, rounds, failure } = outcome;
    if (failure !== null || rounds.length === 0)
      return failedRow(contestant, failure ?? "no round was run");
    const operations = sum(rounds.map(plan.operations));
    return {
      contestant,
      failure: null,
      figure: figureOf(rounds.map(plan.value)),
      unit: plan.unit,
      p50Us: figureOf(rounds.map((round) => round.p50Ns / 1_000)).median,
      p99Us: figureOf(rounds.map((round) => round.p99Ns / 1_000)).median,
      basis: [
        `${operations.toLocaleString("en")} ${plan.noun}${publishes(rounds)} in ${rounds.length} rounds`,
        `server ${utilisation(rounds, (round) => round.serverCpuNs)}, load ${utilisation(rounds, (round) => round.busyNs)}`,
        ...frameBytes(rounds),
      ].join("; "),
    };
  });
}

export function failedRow(contestant: string, failure: string): Row {
  return { contestant, failure, figure: null, unit: "", p50Us: null, p99Us: null, basis: "" };
}

/** How busy a core was: a load generator near 100 % would have been the bottleneck. */
function utilisation(
  rounds: readonly Measurement[],
  busyNs: (round: Measurement) => number,
): string {
  const share = sum(rounds.map(busyNs)) / sum(rounds.map((round) => round.elapsedNs));
  return `${(Math.min(share, 1) * 100).toFixed(0)} %`;
}

function publishes(rounds: readonly Measurement[]): string {
  const deliveries = sum(rounds.map((round) => round.deliveries));
  return deliveries === 0
    ? ""
    : ` of ${sum(rounds.map((round) => round.requests)).toLocaleString("en")} requests`;
}

function frameBytes(rounds: readonly Measurement[]): string[] {
  const smallest = Math.min(...rounds.map((round) => round.frameBytesMin));
  const largest = Math.max(...rounds.map((round) => round.frameBytesMax));
  if (largest === 0) return [];
  return [
    smallest === largest ? `frames of ${largest} B` : `frames of ${smallest} to ${largest} B`,
  ];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
