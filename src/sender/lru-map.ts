/** A map of bounded size: when it is full, what was asked for longest ago goes. */
export class LruMap<Key, Value> {
  /** In the order of use: a `Map` keeps the order in which keys were set. */
  readonly #entries = new Map<Key, Value>();
  readonly #maxEntries: number;
  readonly #forgotten: (value: Value) => void;

  constructor(maxEntries: number, forgotten: (value: Value) => void = () => {}) {
    this.#maxEntries = maxEntries;
    this.#forgotten = forgotten;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** For a key that is not there yet. */
  add(key: Key, value: Value): void {
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#maxEntries) return;
    for (const [oldest, forgotten] of this.#entries) {
      this.#entries.delete(oldest);
      this.#forgotten(forgotten);
      return;
    }
  }

  values(): Iterable<Value> {
    return this.#entries.values();
  }
}
