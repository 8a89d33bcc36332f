/** What several rounds came to: the median, and how far apart they were. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function figureOf(values: readonly number[]): Figure {
  const sorted = [...values].sort((left, right) => left - right);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}

/** The ratio of the medians, with the spread of the ratios round by round: rounds of one number ran side by side. */
export function ratioOf(numerators: readonly number[], denominators: readonly number[]): Figure {
  const rounds = Math.min(numerators.length, denominators.length);
  const pairs = Array.from(
    { length: rounds },
    (_, round) => (numerators[round] ?? 0) / (denominators[round] ?? 0),
  );
  const spread = figureOf(pairs);
  return { ...spread, median: figureOf(numerators).median / figureOf(denominators).median };
}
