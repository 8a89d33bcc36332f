import { LuaError, LuaTable, type LuaResult, type LuaValue } from "./table.ts";

/** Numbers up to here are told in full by `%.14g`, of which Lua 5.1 makes its texts. */
const WHOLE_TEXT_BELOW = 1e14;

export function isTrue(value: LuaValue): boolean {
  return value !== undefined && value !== false;
}

export function first(result: LuaResult): LuaValue {
  return Array.isArray(result) ? (result as readonly LuaValue[])[0] : (result as LuaValue);
}

export function many(result: LuaResult): readonly LuaValue[] {
  return Array.isArray(result) ? (result as readonly LuaValue[]) : [result as LuaValue];
}

export function typeName(value: LuaValue): string {
  if (value === undefined) return "nil";
  return value instanceof LuaTable ? "table" : typeof value;
}

const DECIMAL = /^[ \t\n\v\f\r]*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[ \t\n\v\f\r]*$/;
const HEX = /^[ \t\n\v\f\r]*[-+]?0[xX]/;
const NO_NUMBER_YET_ONE = /^[ \t\n\v\f\r]*[-+]?(?:inf|nan)/i;

export function toNumber(value: LuaValue): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return undefined;
  if (DECIMAL.test(value)) return Number(value);
  if (HEX.test(value) || NO_NUMBER_YET_ONE.test(value))
    throw new LuaError(`outside our Lua: tonumber('${value}'), which machines read differently`);
  return undefined;
}

/**
 * A number as text. Lua 5.1 keeps 14 digits: what would lose some is refused, for on a real server it would be a wrong key
 * or a wrong time.
 */
export function numberText(value: number): string {
  if (!Number.isFinite(value) || Math.abs(value) >= WHOLE_TEXT_BELOW)
    throw new LuaError(`the text of ${value} loses digits in Lua: use string.format('%.0f')`);
  if (Number.isInteger(value)) return Object.is(value, -0) ? "-0" : `${value}`;
  const text = `${value}`;
  if (Math.abs(value) < 1e-4 || Number(value.toPrecision(14)) !== value)
    throw new LuaError(`the text of ${value} loses digits in Lua`);
  return text;
}

export function concat(left: LuaValue, right: LuaValue): string {
  if (typeof left === "string" && typeof right === "string") return left + right;
  return joined(left) + joined(right);
}

export function add(left: LuaValue, right: LuaValue): number {
  if (typeof left === "number" && typeof right === "number") return left + right;
  return operand(left) + operand(right);
}

export function subtract(left: LuaValue, right: LuaValue): number {
  return operand(left) - operand(right);
}

export function multiply(left: LuaValue, right: LuaValue): number {
  return operand(left) * operand(right);
}

export function divide(left: LuaValue, right: LuaValue): number {
  return operand(left) / operand(right);
}

export function modulo(left: LuaValue, right: LuaValue): number {
  const [a, b] = [operand(left), operand(right)];
  return a - Math.floor(a / b) * b;
}

export function negate(value: LuaValue): number {
  return -operand(value);
}

export function isLess(left: LuaValue, right: LuaValue): boolean {
  if (typeof left === "number" && typeof right === "number") return left < right;
  if (typeof left === "string" && typeof right === "string") return left < right;
  return refuseComparison(left, right);
}

export function isAtMost(left: LuaValue, right: LuaValue): boolean {
  if (typeof left === "number" && typeof right === "number") return left <= right;
  if (typeof left === "string" && typeof right === "string") return left <= right;
  return refuseComparison(left, right);
}

export function isMore(left: LuaValue, right: LuaValue): boolean {
  return isLess(right, left);
}

export function isAtLeast(left: LuaValue, right: LuaValue): boolean {
  return isAtMost(right, left);
}

export function lengthOf(value: LuaValue): number {
  if (value instanceof LuaTable) return value.length;
  if (typeof value === "string") return value.length;
  throw new LuaError(`attempt to get length of a ${typeName(value)} value`);
}

export function index(table: LuaValue, key: LuaValue): LuaValue {
  if (table instanceof LuaTable) return table.get(key);
  throw new LuaError(`attempt to index a ${typeName(table)} value`);
}

export function setIndex(table: LuaValue, key: LuaValue, value: LuaValue): void {
  if (!(table instanceof LuaTable))
    throw new LuaError(`attempt to index a ${typeName(table)} value`);
  table.set(key, value);
}

/** `call` is no name that a program of ours could have: whatever is called is checked. */
export function invoke(callee: LuaValue, ...args: LuaValue[]): LuaResult {
  if (typeof callee === "function") return callee(...args);
  throw new LuaError(`attempt to call a ${typeName(callee)} value`);
}

export function loopBound(value: LuaValue, what: string): number {
  const number = toNumber(value);
  if (number === undefined) throw new LuaError(`'for' ${what} must be a number`);
  return number;
}

function operand(value: LuaValue): number {
  if (typeof value === "number") return value;
  const number = toNumber(value);
  if (number === undefined)
    throw new LuaError(`attempt to perform arithmetic on a ${typeName(value)} value`);
  return number;
}

function joined(value: LuaValue): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return numberText(value);
  throw new LuaError(`attempt to concatenate a ${typeName(value)} value`);
}

function refuseComparison(left: LuaValue, right: LuaValue): never {
  const [a, b] = [typeName(left), typeName(right)];
  throw new LuaError(
    a === b ? `attempt to compare two ${a} values` : `attempt to compare ${a} with ${b}`,
  );
}
