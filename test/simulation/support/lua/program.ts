import type { Script } from "../../../../src/stores/redis/script.ts";
import { toBytes } from "../redis/bytes.ts";
import { RedisError, Status, type RawReply } from "../redis/reply.ts";
import * as arithmetic from "./arithmetic.ts";
import { typeName } from "./arithmetic.ts";
import { itemsOf, LIBRARY } from "./library.ts";
import { LuaError, LuaTable, type LuaResult, type LuaValue } from "./table.ts";
import { translate } from "./translation.ts";

/** Does a command. `args` as a client would send them. */
export type Command = (name: string, args: string[]) => RawReply;

type Main = (keys: LuaTable, args: LuaTable) => LuaResult;

interface RedisFunctions {
  call(...args: LuaValue[]): LuaValue;
  error_reply(text: LuaValue): LuaValue;
  status_reply(text: LuaValue): LuaValue;
}

/** What translated programs refer to. */
const NAMES = { ...arithmetic, itemsOf, LIBRARY, LuaTable, located };

/** Tells the server how to run the script. */
const FLAGS = /^#![^\n]*/;

/**
 * Runs Lua scripts as Redis does. Each is translated once, however many servers are simulated; commands go to whichever
 * runs one now, for scripts never overlap.
 */
const programs = new Map<string, Main>();
let command: Command = () => null;

export function runScript(
  script: Script,
  keys: readonly string[],
  args: readonly string[],
  execute: Command,
): RawReply {
  let main = programs.get(script.hash);
  if (main === undefined) {
    main = compile(script.source);
    programs.set(script.hash, main);
  }
  command = execute;
  try {
    const result = main(new LuaTable(keys.map(toBytes)), new LuaTable(args.map(toBytes)));
    return fromLua(arithmetic.first(result));
  } catch (error) {
    if (error instanceof LuaError || error instanceof RedisError)
      error.message = `${error.message} (script ${script.name})`;
    throw error;
  }
}

function compile(source: string): Main {
  const names = Object.keys(NAMES);
  const text = `const { ${names.join(", ")} } = names;
return (KEYS, ARGV) => {
${translate(toBytes(source.replace(FLAGS, "")))}
};`;
  return new Function("names", "redis", text)(NAMES, REDIS) as Main;
}

const REDIS: RedisFunctions = {
  call(name, ...args) {
    if (typeof name !== "string") throw new LuaError("redis.call of something without a name");
    const texts: string[] = [];
    for (const arg of args) texts.push(typeof arg === "string" ? arg : numberArgument(arg));
    return toLua(command(name, texts));
  },
  error_reply: (text) => new LuaTable([], [["err", text]]),
  status_reply: (text) => new LuaTable([], [["ok", text]]),
};

/** Redis prints all 17 digits, where Lua would not. */
function numberArgument(value: LuaValue): string {
  if (typeof value !== "number")
    throw new LuaError(
      `Lua redis lib command arguments must be strings or integers, not ${typeName(value)}`,
    );
  if (!Number.isInteger(value) || Math.abs(value) >= 1e17)
    throw new LuaError(`outside our Lua: ${value} as an argument, which servers print differently`);
  return `${value}`;
}

function toLua(reply: RawReply): LuaValue {
  if (reply === null) return false;
  if (typeof reply !== "object") return reply;
  if (reply instanceof Status) return new LuaTable([], [["ok", reply.text]]);
  return new LuaTable((reply as readonly RawReply[]).map(toLua));
}

function fromLua(value: LuaValue): RawReply {
  if (typeof value === "string") return value;
  if (typeof value === "number") return Math.trunc(value) + 0;
  if (value === true) return 1;
  if (!(value instanceof LuaTable)) return null;
  const error = value.get("err");
  if (typeof error === "string") throw new RedisError(error);
  const status = value.get("ok");
  if (typeof status === "string") return new Status(status);
  const reply: RawReply[] = [];
  for (const item of value.array) {
    // A list ends at the first nil.
    if (item === undefined) break;
    reply.push(fromLua(item));
  }
  return reply;
}

function located(error: unknown, line: number): unknown {
  if (error instanceof LuaError || error instanceof RedisError)
    error.message = `${error.message}, at line ${line}`;
  return error;
}
