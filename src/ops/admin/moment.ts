const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The last that JavaScript, and so ISO 8601 with four digits and more, can write. */
const MAX_TIME_MS = 8.64e15;

/** What a text for a moment must be, for the end of a sentence. */
export const MOMENT_RIGHT =
  "a time such as 2026-01-31T12:00:00Z, or how long ago it was, such as 30s, 15m, 1h or 7d";

/**
 * Wall time of a moment that a person named, undefined where the text is none. A time without its zone is none: it would mean
 * something else on every machine. A date alone is its beginning, in UTC.
 */
export function momentOf(text: string, nowMs: number): number | undefined {
  const [, amount, unit] = /^([0-9]{1,9})([smhd])$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined) {
    return nowMs - Number(amount) * (UNITS_MS[unit] ?? 0);
  }
  const isTime =
    /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$/;
  const timeMs = isTime.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** Jobs may come from other programs: a time that cannot be is shown as the last one that can. */
export function isoTime(timeMs: number): string {
  return new Date(Math.min(timeMs, MAX_TIME_MS)).toISOString();
}
