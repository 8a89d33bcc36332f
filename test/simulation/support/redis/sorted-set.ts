export interface Scored {
  readonly member: string;
  readonly score: number;
}

/** Members in the order of their scores, and of their bytes where scores are equal. */
export class SortedSet {
  readonly items: Scored[];
  readonly #scores: Map<string, number>;

  constructor(items: readonly Scored[] = []) {
    this.items = [...items];
    this.#scores = new Map(items.map(({ member, score }) => [member, score]));
  }

  get size(): number {
    return this.items.length;
  }

  scoreOf(member: string): number | undefined {
    return this.#scores.get(member);
  }

  rankOf(member: string): number | undefined {
    const score = this.#scores.get(member);
    return score === undefined ? undefined : this.#placeOf({ member, score });
  }

  set(member: string, score: number): void {
    const before = this.#scores.get(member);
    if (before === score) return;
    if (before !== undefined) this.items.splice(this.#placeOf({ member, score: before }), 1);
    const item = { member, score };
    this.items.splice(this.#placeOf(item), 0, item);
    this.#scores.set(member, score);
  }

  delete(member: string): boolean {
    const score = this.#scores.get(member);
    if (score === undefined) return false;
    this.items.splice(this.#placeOf({ member, score }), 1);
    return this.#scores.delete(member);
  }

  /** Where it is, or would be. */
  #placeOf({ member, score }: Scored): number {
    let [low, high] = [0, this.items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.items[middle] as Scored;
      const isBefore = other.score < score || (other.score === score && other.member < member);
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
