/** Observations by size. `counts` has one more than `bounds`: what is beyond the last. None includes the smaller ones. */
export interface HistogramFigures {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

export class Histogram implements HistogramFigures {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  /** An observation falls under the first bound that is not smaller than it. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let place = 0;
    while (value > (this.bounds[place] ?? Infinity)) place++;
    this.counts[place] = (this.counts[place] ?? 0) + 1;
    this.sum += value;
  }
}
