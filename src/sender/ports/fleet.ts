/** What a sender says of itself to all who share the store. */
export interface SenderReport {
  /** Of one life of one process. */
  readonly senderId: string;
  readonly version: string;
  /** Requests that it makes at once. */
  readonly slots: number;
  /** From 0 to 1: how much of what it can do it did lately, by CPU or by slots, whichever is scarcer. */
  readonly utilisation: number;
  /** Answered attempts a second that it makes, or would make, at full load. Above 0. */
  readonly fullRate: number;
  /** False while `fullRate` is a guess. */
  readonly isMeasured: boolean;
  /** Endpoints to which it sends nothing, or a probe at most. */
  readonly blockedEndpoints: readonly string[];
}

/**
 * The senders of one store that are alive.
 *
 * Guarantees:
 * - Whoever asks is told the same, whatever process he asks.
 * - A report replaces the one before it of that sender, and ends by itself after its time, by one clock for all processes. If
 *   that clock is set, reports are missing until the next ones, and none stays for longer than its time.
 */
export interface Fleet {
  report(report: SenderReport, ttlMs: number): Promise<void>;
  /** The sender is not to be counted on any more. */
  withdraw(senderId: string): Promise<void>;
  /** In the order of their ids. */
  reports(): Promise<readonly SenderReport[]>;
}

/** Undefined for a text that tells nothing that can be relied on: other programs may report as well. */
export function parseReport(json: string): SenderReport | undefined {
  let told: unknown;
  try {
    told = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof told !== "object" || told === null) return undefined;
  const report = told as Readonly<Record<keyof SenderReport, unknown>>;
  const { senderId, version, slots, utilisation, fullRate, isMeasured, blockedEndpoints } = report;
  if (typeof senderId !== "string" || typeof version !== "string") return undefined;
  if (!isAmount(slots) || !isAmount(utilisation) || !isAmount(fullRate)) return undefined;
  if (utilisation > 1 || fullRate === 0 || typeof isMeasured !== "boolean") return undefined;
  if (!Array.isArray(blockedEndpoints) || !blockedEndpoints.every(isText)) return undefined;
  return { senderId, version, slots, utilisation, fullRate, isMeasured, blockedEndpoints };
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
