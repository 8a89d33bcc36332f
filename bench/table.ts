import type { Figure } from "./figure.ts";
import { type Goal, type Row, type Section, reached } from "./section.ts";

const WIDTHS = { contestant: 30, figure: 22, spread: 20, p50: 11, p99: 11 };

export function tableHead(): string {
  return [
    "".padEnd(WIDTHS.contestant),
    "median".padEnd(WIDTHS.figure),
    "min..max".padEnd(WIDTHS.spread),
    "p50".padEnd(WIDTHS.p50),
    "p99".padEnd(WIDTHS.p99),
    "stands on",
  ].join("");
}

export function sectionLines(section: Section): string[] {
  return ["", section.title, ...section.rows.map(rowLine), ...section.goals.map(goalLine)];
}

function rowLine(row: Row): string {
  const contestant = `  ${row.contestant}`.padEnd(WIDTHS.contestant);
  if (row.failure !== null)
    return `${contestant}no figure: ${row.failure.replaceAll(/\s+/g, " ").slice(0, 600)}`;
  return [
    contestant,
    (row.figure === null ? "" : `${rounded(row.figure.median)} ${row.unit}`).padEnd(WIDTHS.figure),
    (row.figure === null ? "" : spread(row.figure)).padEnd(WIDTHS.spread),
    latency(row.p50Us).padEnd(WIDTHS.p50),
    latency(row.p99Us).padEnd(WIDTHS.p99),
    row.basis,
  ].join("");
}

function goalLine(goal: Goal): string {
  const verdict = { true: "REACHED", false: "MISSED", null: "not measured" }[
    String(reached(goal)) as "true"
  ];
  const figure =
    goal.figure === null
      ? ""
      : `: ${rounded(goal.figure.median)}${goal.unit} (${spread(goal.figure)})`;
  return `  goal ${verdict.padEnd(8)} ${goal.text} at most ${rounded(goal.atMost)}${goal.unit}${figure}`;
}

function spread(figure: Figure): string {
  return `${rounded(figure.min)}..${rounded(figure.max)}`;
}

function latency(us: number | null): string {
  if (us === null) return "";
  return us >= 1_000 ? `${rounded(us / 1_000)} ms` : `${rounded(us)} us`;
}

/** Three digits that matter, without an exponent. */
function rounded(value: number): string {
  if (!Number.isFinite(value)) return "?";
  const magnitude = Math.abs(value);
  const digits = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3;
  return value.toFixed(digits);
}
