import { RedisError } from "./reply.ts";
import { SortedSet } from "./sorted-set.ts";
import { Stream } from "./stream.ts";

/** A string, which can be replaced where it is. */
export class Text {
  value: string;

  constructor(value: string) {
    this.value = value;
  }
}

type Value = Text | Map<string, string> | Set<string> | string[] | SortedSet | Stream;

interface Kinds {
  string: Text;
  hash: Map<string, string>;
  set: Set<string>;
  list: string[];
  zset: SortedSet;
  stream: Stream;
}

export type Kind = keyof Kinds;

const MAKERS: { readonly [K in Kind]: () => Kinds[K] } = {
  string: () => new Text(""),
  hash: () => new Map<string, string>(),
  set: () => new Set<string>(),
  list: () => [],
  zset: () => new SortedSet(),
  stream: () => new Stream(),
};

/**
 * The data of a simulated Redis. Time stands still while a script runs: whoever runs one sets the time first.
 *
 * A container that has become empty is gone, but for a stream; whoever takes something out says `tidy`.
 */
export class Keyspace {
  nowUs = 0;
  readonly #values = new Map<string, Value>();
  readonly #expiriesMs = new Map<string, number>();

  /** The value of that kind, if the key is there. */
  find<K extends Kind>(key: string, kind: K): Kinds[K] | undefined {
    const value = this.#live(key);
    if (value === undefined) return undefined;
    if (kindOf(value) !== kind)
      throw new RedisError("WRONGTYPE Operation against a key holding the wrong kind of value");
    return value as Kinds[K];
  }

  findOrMake<K extends Kind>(key: string, kind: K): Kinds[K] {
    const found = this.find(key, kind);
    if (found !== undefined) return found;
    const made = MAKERS[kind]();
    this.#values.set(key, made);
    return made;
  }

  kindOf(key: string): Kind | undefined {
    const value = this.#live(key);
    return value === undefined ? undefined : kindOf(value);
  }

  /** Whatever was there is replaced. */
  setText(key: string, value: string): void {
    this.#values.set(key, new Text(value));
  }

  tidy(key: string): void {
    const value = this.#values.get(key);
    if (value !== undefined && isEmpty(value)) this.delete(key);
  }

  delete(key: string): boolean {
    const isThere = this.#live(key) !== undefined;
    this.#values.delete(key);
    this.#expiriesMs.delete(key);
    return isThere;
  }

  expiryMs(key: string): number | undefined {
    return this.#expiriesMs.get(key);
  }

  /** Undefined: never. One that has passed deletes the key. */
  expire(key: string, atMs: number | undefined): void {
    if (atMs === undefined) this.#expiriesMs.delete(key);
    else this.#expiriesMs.set(key, atMs);
    this.#live(key);
  }

  clear(): void {
    this.#values.clear();
    this.#expiriesMs.clear();
  }

  /** Everything is as it is there. */
  become(other: Keyspace): void {
    this.clear();
    for (const [key, value] of other.#values) this.#values.set(key, copyOf(value));
    for (const [key, atMs] of other.#expiriesMs) this.#expiriesMs.set(key, atMs);
  }

  get nowMs(): number {
    return Math.floor(this.nowUs / 1_000);
  }

  /** The keys that are there. */
  keys(): string[] {
    return [...this.#values.keys()].filter((key) => this.#live(key) !== undefined);
  }

  #live(key: string): Value | undefined {
    const atMs = this.#expiriesMs.get(key);
    if (atMs !== undefined && atMs <= this.nowMs) {
      this.#values.delete(key);
      this.#expiriesMs.delete(key);
    }
    return this.#values.get(key);
  }
}

function kindOf(value: Value): Kind {
  if (value instanceof Text) return "string";
  if (value instanceof Map) return "hash";
  if (value instanceof Set) return "set";
  if (value instanceof SortedSet) return "zset";
  return value instanceof Stream ? "stream" : "list";
}

function isEmpty(value: Value): boolean {
  if (value instanceof Text || value instanceof Stream) return false;
  return Array.isArray(value) ? value.length === 0 : value.size === 0;
}

function copyOf(value: Value): Value {
  if (value instanceof Text) return new Text(value.value);
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  if (value instanceof SortedSet) return new SortedSet(value.items);
  return value instanceof Stream ? new Stream(value.entries, value.lastId) : [...value];
}
