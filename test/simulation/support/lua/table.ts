/** Texts are bytes, a character each, as Redis and Lua see them. */
export type LuaValue = undefined | boolean | number | string | LuaTable | LuaFunction;

/** What a call answers: a value, or a list of several, or of none. */
export type LuaResult = LuaValue | readonly LuaValue[];

export type LuaFunction = (...args: LuaValue[]) => LuaResult;

/** A fault of a Lua program, at run time. */
export class LuaError extends Error {
  override readonly name = "LuaError";
}

/** A Lua table, as an array or a record. */
export class LuaTable {
  /** Indices 1 to n. Holes, which only a constructor can make, are undefined. */
  readonly array: LuaValue[];
  #fields: Map<LuaValue, LuaValue> | undefined;

  constructor(array: LuaValue[] = [], fields?: readonly (readonly [LuaValue, LuaValue])[]) {
    this.array = array;
    dropTail(array);
    for (const [key, value] of fields ?? []) this.set(key, value);
  }

  get(key: LuaValue): LuaValue {
    if (typeof key === "number") {
      const value = this.array[key - 1];
      if (value !== undefined) return value;
    }
    return this.#fields?.get(key);
  }

  set(key: LuaValue, value: LuaValue): void {
    const { array } = this;
    if (typeof key === "number" && Number.isInteger(key) && key >= 1 && key <= array.length + 1) {
      if (key <= array.length) {
        array[key - 1] = value;
        if (value === undefined) dropTail(array);
      } else if (value !== undefined) {
        array.push(value);
        this.#drawIn();
      }
    } else if (key === undefined) throw new LuaError("table index is nil");
    else if (Number.isNaN(key)) throw new LuaError("table index is NaN");
    else if (value === undefined) this.#fields?.delete(key);
    else (this.#fields ??= new Map()).set(key, value);
  }

  /** Of a table with holes a real Lua answers one border or another. */
  get length(): number {
    if (this.array.includes(undefined)) throw new LuaError("length of a table that has holes");
    return this.array.length;
  }

  /** What was set beyond the end is now next to it. */
  #drawIn(): void {
    if (this.#fields === undefined) return;
    for (;;) {
      const key = this.array.length + 1;
      const value = this.#fields.get(key);
      if (value === undefined) return;
      this.#fields.delete(key);
      this.array.push(value);
    }
  }
}

function dropTail(array: LuaValue[]): void {
  while (array.length > 0 && array.at(-1) === undefined) array.pop();
}
