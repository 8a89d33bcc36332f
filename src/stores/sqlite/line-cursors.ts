/** Where a job stands among those of its endpoint that are due. */
export interface PlaceInLine {
  readonly dueAtMs: number;
  readonly sequence: number;
}

/**
 * For each endpoint, the place in its line behind which nothing of it was leased here: from there on no job needs to be
 * compared with those that are out.
 *
 *   whole line ──the first that is free stands behind the cursor──▶ from the cursor on
 *       ▲                                                                   │
 *       └──── somebody came back and may stand before it, or may have ──────┘
 *
 * Invariant: a cursor never goes back while a job of its endpoint is out, for one that is out may stand behind an earlier
 * place. When none is, it is dropped.
 */
export class LineCursors {
  readonly #places = new Map<string, PlaceInLine>();
  /** Endpoints that have nobody free before the cursor. */
  readonly #passed = new Set<string>();

  /** Undefined where the whole line has to be looked along. */
  start(endpoint: string): PlaceInLine | undefined {
    return this.#passed.has(endpoint) ? this.#places.get(endpoint) : undefined;
  }

  /** The first of the whole line that is free. */
  found(endpoint: string, first: PlaceInLine | undefined): void {
    const cursor = this.#places.get(endpoint);
    if (cursor !== undefined && (first === undefined || isBehind(first, cursor)))
      this.#passed.add(endpoint);
  }

  took(endpoint: string, { dueAtMs, sequence }: PlaceInLine): void {
    const cursor = this.#places.get(endpoint);
    if (cursor === undefined || isBehind({ dueAtMs, sequence }, cursor))
      this.#places.set(endpoint, { dueAtMs, sequence });
  }

  /** Somebody may stand before the cursor. */
  cameBack(endpoint: string): void {
    this.#passed.delete(endpoint);
  }

  anybodyMayHaveComeBack(): void {
    this.#passed.clear();
  }

  /** Of all others nothing is out. */
  keep(endpoints: ReadonlySet<string>): void {
    for (const endpoint of this.#places.keys())
      if (!endpoints.has(endpoint)) this.#places.delete(endpoint);
  }
}

function isBehind(place: PlaceInLine, other: PlaceInLine): boolean {
  if (place.dueAtMs !== other.dueAtMs) return place.dueAtMs > other.dueAtMs;
  return place.sequence > other.sequence;
}
