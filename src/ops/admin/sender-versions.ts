import type { VersionSummary } from "../../sender/ports/delivery-log.ts";
import type { SenderReport } from "../../sender/ports/fleet.ts";
import type { AdminSources } from "./admin-sources.ts";
import { isoTime } from "./moment.ts";
import { VERSIONS_PARAMETERS, checked } from "./parameters.ts";

/** A sender version as the admin API shows it. */
export interface ShownVersion {
  readonly version: string;
  /** Alive now, in all processes. */
  readonly senders: number;
  /** How many senders, each at full load, would do what these do now. */
  readonly busy: number;
  readonly delivered: number;
  readonly failed: number;
  readonly ownFaults: number;
  /** Of all attempts that were delivered or failed: from 0 to 1, null where there is none at all. */
  readonly share: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly firstAt: string | null;
  readonly lastAt: string | null;
}

/** Long enough for a canary with few senders to have shown something. */
const DEFAULT_SPAN_MS = 10 * 60 * 1_000;
const IN_ORDER = new Intl.Collator("en", { numeric: true });

/** Tells the versions of the senders apart that work on one queue, or did lately. */
export class SenderVersions {
  readonly #sources: Pick<AdminSources, "deliveries" | "fleet" | "now">;

  constructor(sources: Pick<AdminSources, "deliveries" | "fleet" | "now">) {
    this.#sources = sources;
  }

  /** By version, the lowest number first. */
  async list(
    parameters: unknown,
  ): Promise<{ readonly since: string; readonly versions: readonly ShownVersion[] }> {
    const { deliveries, fleet, now } = this.#sources;
    const { since = now() - DEFAULT_SPAN_MS } = checked(VERSIONS_PARAMETERS(now()), parameters);
    const [summaries, reports] = await Promise.all([deliveries.versions(since), fleet.reports()]);
    const alive = Map.groupBy(reports, ({ version }) => version);
    let attempts = 0;
    for (const { delivered, failed } of summaries.values()) attempts += delivered + failed;
    const versions = [...new Set([...summaries.keys(), ...alive.keys()])]
      .toSorted(IN_ORDER.compare)
      .map((version) =>
        shownVersion(version, alive.get(version) ?? [], summaries.get(version), attempts),
      );
    return { since: isoTime(since), versions };
  }
}

function shownVersion(
  version: string,
  alive: readonly SenderReport[],
  summary: VersionSummary | undefined,
  attempts: number,
): ShownVersion {
  const [delivered, failed] = [summary?.delivered ?? 0, summary?.failed ?? 0];
  return {
    version,
    senders: alive.length,
    busy: rounded(alive.reduce((sum, { utilisation }) => sum + utilisation, 0)),
    delivered,
    failed,
    ownFaults: summary?.ownFaults ?? 0,
    share: attempts === 0 ? null : rounded((delivered + failed) / attempts),
    p50Ms: summary?.p50Ms ?? null,
    p95Ms: summary?.p95Ms ?? null,
    p99Ms: summary?.p99Ms ?? null,
    firstAt: summary === undefined ? null : isoTime(summary.firstAtMs),
    lastAt: summary === undefined ? null : isoTime(summary.lastAtMs),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
