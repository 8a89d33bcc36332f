/** What chance adds to a wait at most, as a part of it. */
const JITTER = 0.2;

export interface BackOff {
  readonly firstMs: number;
  readonly capMs: number;
}

/** The wait after so many failures in a row, 1 or more: it doubles with each, up to the cap, before chance adds to it. */
export function backOffMs({ firstMs, capMs }: BackOff, failures: number, random: number): number {
  return withJitter(Math.min(capMs, firstMs * 2 ** (failures - 1)), random);
}

/** Chance only adds, so that whoever asked for a wait gets it in full; without it, all who failed together return together. */
export function withJitter(waitMs: number, random: number): number {
  return Math.round(waitMs * (1 + JITTER * random));
}
