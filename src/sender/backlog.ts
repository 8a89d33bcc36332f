import { guessedRate } from "./full-load-rate.ts";
import type { SenderReport } from "./ports/fleet.ts";

/** Of a sender where none has reported: the chart gives it a quarter of a CPU. */
const USUAL_CPU_ALLOWANCE = 0.25;

/** Endpoints that some live sender has broken off. They are sent to again when nobody has any more. */
export function blockedEndpoints(reports: readonly SenderReport[]): ReadonlySet<string> {
  return new Set(reports.flatMap((report) => report.blockedEndpoints));
}

/**
 * How many seconds one sender would need for so many jobs. It does not depend on how many there are, so the senders that are
 * wanted are this divided by the seconds in which the backlog is to be gone.
 */
export function backlogSeconds(deliverable: number, reports: readonly SenderReport[]): number {
  return deliverable / rateOfOne(reports);
}

/** How many senders would do what is being done, each at full load. */
export function sendersBusy(reports: readonly SenderReport[]): number {
  return reports.reduce((sum, { utilisation }) => sum + utilisation, 0);
}

/** Live senders by version. */
export function sendersByVersion(reports: readonly SenderReport[]): ReadonlyMap<string, number> {
  const senders = new Map<string, number>();
  for (const { version } of reports) senders.set(version, (senders.get(version) ?? 0) + 1);
  return senders;
}

/** The mean of what was measured; guesses count only where nobody has measured. */
function rateOfOne(reports: readonly SenderReport[]): number {
  const measured = reports.filter(({ isMeasured }) => isMeasured);
  const known = measured.length > 0 ? measured : reports;
  if (known.length === 0) return guessedRate(USUAL_CPU_ALLOWANCE);
  return known.reduce((sum, { fullRate }) => sum + fullRate, 0) / known.length;
}
