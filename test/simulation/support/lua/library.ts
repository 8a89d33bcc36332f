import { numberText, toNumber, typeName } from "./arithmetic.ts";
import { LuaError, LuaTable, type LuaResult, type LuaValue } from "./table.ts";

/** More are "too many results to unpack" for Lua's stack. */
const MAX_UNPACKED = 7_900;

/** The functions of Lua that our scripts may use. */
export const LIBRARY: Readonly<Record<string, (...args: LuaValue[]) => LuaResult>> = {
  tonumber(...args) {
    if (args.length !== 1) throw new LuaError("outside our Lua: tonumber takes one argument");
    return toNumber(args[0]);
  },
  tostring(value) {
    if (typeof value === "number") return numberText(value);
    if (typeof value === "string") return value;
    if (value === undefined) return "nil";
    if (typeof value === "boolean") return `${value}`;
    throw new LuaError(`outside our Lua: tostring of a ${typeName(value)}`);
  },
  unpack(table, from = 1, to = undefined) {
    const { array } = tableOf(table, "unpack");
    const start = numberOf(from, "unpack");
    const end = to === undefined ? array.length : numberOf(to, "unpack");
    if (end - start >= MAX_UNPACKED) throw new LuaError("too many results to unpack");
    return Array.from({ length: Math.max(0, end - start + 1) }, (_, i) => array[start - 1 + i]);
  },
  "string.len": (text) => textOf(text, "len").length,
  "string.sub"(value, from, to = -1) {
    const text = textOf(value, "sub");
    const place = (at: number): number => (at < 0 ? text.length + at + 1 : at);
    const start = Math.max(1, place(Math.trunc(numberOf(from, "sub"))));
    const end = Math.min(text.length, place(Math.trunc(numberOf(to, "sub"))));
    return start > end ? "" : text.slice(start - 1, end);
  },
  "string.find"(value, sought, from, isPlain) {
    if (isPlain !== true) throw new LuaError("outside our Lua: string.find with a pattern");
    const [text, part] = [textOf(value, "find"), textOf(sought, "find")];
    let start = Math.trunc(numberOf(from, "find"));
    if (start < 0) start = Math.max(1, text.length + start + 1);
    // Lua 5.1 begins at the end where it was told to begin behind it.
    start = Math.min(Math.max(start, 1), text.length + 1);
    const at = text.indexOf(part, start - 1);
    return at === -1 ? undefined : [at + 1, at + part.length];
  },
  "string.format"(format, ...values) {
    let next = 0;
    return textOf(format, "format").replaceAll(/%(?:\.0f|[ds%]|.|$)/gs, (directive) => {
      if (directive === "%%") return "%";
      if (next >= values.length) throw new LuaError("bad argument to 'format' (no value)");
      const value = values[next++];
      if (directive === "%s") return textOf(value, "format");
      if (directive === "%d") return integerText(Math.trunc(numberOf(value, "format")) + 0);
      if (directive === "%.0f") return integerText(rounded(numberOf(value, "format")));
      throw new LuaError(`outside our Lua: string.format with ${directive}`);
    });
  },
  "table.insert"(table, ...rest) {
    const target = tableOf(table, "insert");
    const length = target.length;
    if (rest.length === 1) target.set(length + 1, rest[0]);
    else if (rest.length === 2) {
      const at = numberOf(rest[0], "insert");
      if (!Number.isInteger(at) || at < 1 || at > length + 1)
        throw new LuaError(`outside our Lua: table.insert at ${at} of ${length}`);
      if (rest[1] === undefined) throw new LuaError("outside our Lua: table.insert of nil");
      target.array.splice(at - 1, 0, rest[1]);
    } else throw new LuaError("wrong number of arguments to 'insert'");
    return [];
  },
  "table.concat"(table, separator = "") {
    const target = tableOf(table, "concat");
    // Its length is asked for as `#` does.
    if (target.length === 0) return "";
    return target.array
      .map((item) => {
        if (typeof item === "string") return item;
        if (typeof item === "number") return numberText(item);
        throw new LuaError(`invalid value (${typeName(item)}) in table for 'concat'`);
      })
      .join(textOf(separator, "concat"));
  },
  "math.floor": (value) => Math.floor(numberOf(value, "floor")),
  "math.max": (...values) => Math.max(...atLeastOne(values, "max")),
  "math.min": (...values) => Math.min(...atLeastOne(values, "min")),
};

/** What `ipairs` goes over. */
export function itemsOf(table: LuaValue): readonly LuaValue[] {
  return tableOf(table, "ipairs").array;
}

function atLeastOne(values: readonly LuaValue[], name: string): number[] {
  if (values.length === 0) throw badArgument(name, "number expected, got no value");
  return values.map((value) => numberOf(value, name));
}

/** As C prints it: halves go to the even neighbour. */
function rounded(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

function integerText(value: number): string {
  if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER)
    throw new LuaError(`outside our Lua: the text of ${value}`);
  return Object.is(value, -0) ? "-0" : `${value}`;
}

function numberOf(value: LuaValue, name: string): number {
  const number = toNumber(value);
  if (number === undefined) throw badArgument(name, `number expected, got ${typeName(value)}`);
  return number;
}

function textOf(value: LuaValue, name: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberText(value);
  throw badArgument(name, `string expected, got ${typeName(value)}`);
}

function tableOf(value: LuaValue, name: string): LuaTable {
  if (value instanceof LuaTable) return value;
  throw badArgument(name, `table expected, got ${typeName(value)}`);
}

function badArgument(name: string, problem: string): LuaError {
  return new LuaError(`bad argument to '${name}' (${problem})`);
}
