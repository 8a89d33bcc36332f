/** The local variables that are seen from a place, each with a name of its own in JavaScript. */
export class Scope {
  readonly #outer: Scope | undefined;
  readonly #names = new Map<string, string>();
  /** Of the whole program. */
  readonly #counter: { last: number };

  constructor(outer?: Scope) {
    this.#outer = outer;
    this.#counter = outer === undefined ? { last: 0 } : outer.#counter;
  }

  /** Lua may declare a name twice in one block: the second is another variable. */
  declare(name: string): string {
    const translated = `${name}_${++this.#counter.last}`;
    this.#names.set(name, translated);
    return translated;
  }

  /** The name of a variable that Lua does not see. */
  hidden(name: string): string {
    return `${name}$${++this.#counter.last}`;
  }

  find(name: string): string | undefined {
    return this.#names.get(name) ?? this.#outer?.find(name);
  }
}
