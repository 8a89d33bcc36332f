/** Values that are each allowed but not together. */
export interface Contradiction {
  readonly path: string;
  readonly message: string;
  /** Every field that takes part, so that nothing is said about one that is wrong by itself. */
  readonly involves: readonly string[];
}
