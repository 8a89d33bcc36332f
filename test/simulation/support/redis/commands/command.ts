import type { Keyspace } from "../keyspace.ts";
import { RedisError, type RawReply } from "../reply.ts";

/** What commands need beside the data. */
export interface Surroundings {
  readonly db: Keyspace;
  /** In [0, 1). */
  random(): number;
  /** Answers how many got it. */
  publish(channel: string, message: string): number;
}

export interface Command {
  /** Bounds of the number of arguments, the name not counted. */
  readonly args: readonly [least: number, most: number];
  /** Which arguments are keys. */
  readonly keys: "none" | "first" | "all" | "first-two";
  run(surroundings: Surroundings, args: readonly string[]): RawReply;
}

export type Commands = Readonly<Record<string, Command>>;

export const MANY = Number.MAX_SAFE_INTEGER;

const INTEGER = /^(?:0|-?[1-9]\d*)$/;
const FLOAT = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const INFINITE = /^([-+]?)inf(?:inity)?$/i;

export function integer(text: string | undefined): number {
  if (text === undefined || !INTEGER.test(text))
    throw new RedisError("ERR value is not an integer or out of range");
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${text} is more than the simulation counts`);
  return value;
}

export function float(text: string | undefined): number {
  const infinite = INFINITE.exec(text ?? "");
  if (infinite !== null) return infinite[1] === "-" ? -Infinity : Infinity;
  if (text === undefined || !FLOAT.test(text))
    throw new RedisError("ERR value is not a valid float");
  return Number(text);
}

/** As `%.17g` prints it. */
export function floatText(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e17)
    return Object.is(value, -0) ? "-0" : `${value}`;
  const text = value.toPrecision(17);
  const [digits = "", exponent] = text.split("e");
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  if (exponent === undefined) return smallText(value, short);
  const [sign, power] = [exponent.slice(0, 1), exponent.slice(1)];
  return `${short}e${sign}${power.padStart(2, "0")}`;
}

/** `%g` changes to an exponent sooner than `toPrecision` does. */
function smallText(value: number, text: string): string {
  if (value === 0 || Math.abs(value) >= 1e-4) return text;
  const [digits = "", exponent = ""] = value.toExponential(16).split("e");
  return `${digits.replace(/\.?0+$/, "")}e-${exponent.slice(1).padStart(2, "0")}`;
}

export function syntaxError(): RedisError {
  return new RedisError("ERR syntax error");
}

/** Argument pairs, each complete. */
export function pairs(args: readonly string[]): (readonly [string, string])[] {
  if (args.length === 0 || args.length % 2 !== 0) throw wrongNumber();
  const found: (readonly [string, string])[] = [];
  for (let i = 0; i < args.length; i += 2) found.push([args[i] as string, args[i + 1] as string]);
  return found;
}

export function wrongNumber(): RedisError {
  return new RedisError("ERR wrong number of arguments");
}

/** From `start` to `stop`, both included, negative ones counted from the end. */
export function slice<T>(items: readonly T[], start: number, stop: number): readonly T[] {
  const [from, to] = placesOf(items.length, start, stop);
  return from > to ? [] : items.slice(from, to + 1);
}

export function placesOf(length: number, start: number, stop: number): readonly [number, number] {
  const from = start < 0 ? Math.max(0, length + start) : start;
  const to = stop < 0 ? length + stop : Math.min(stop, length - 1);
  return [from, to];
}
