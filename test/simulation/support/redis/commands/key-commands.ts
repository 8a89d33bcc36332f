import { RedisError } from "../reply.ts";
import { Status } from "../reply.ts";
import { integer, MANY, syntaxError, type Commands, type Surroundings } from "./command.ts";

export const KEY_COMMANDS: Commands = {
  DEL: { args: [1, MANY], keys: "all", run: remove },
  UNLINK: { args: [1, MANY], keys: "all", run: remove },
  EXISTS: {
    args: [1, MANY],
    keys: "all",
    run: ({ db }, keys) => keys.filter((key) => db.kindOf(key) !== undefined).length,
  },
  TYPE: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => new Status(db.kindOf(key) ?? "none"),
  },
  EXPIRE: { args: [2, 3], keys: "first", run: (around, args) => expire(around, args, 1_000, true) },
  PEXPIRE: { args: [2, 3], keys: "first", run: (around, args) => expire(around, args, 1, true) },
  PEXPIREAT: { args: [2, 3], keys: "first", run: (around, args) => expire(around, args, 1, false) },
  PERSIST: {
    args: [1, 1],
    keys: "first",
    run({ db }, [key = ""]) {
      if (db.kindOf(key) === undefined || db.expiryMs(key) === undefined) return 0;
      db.expire(key, undefined);
      return 1;
    },
  },
  PTTL: { args: [1, 1], keys: "first", run: (around, [key = ""]) => timeLeft(around, key) },
  TTL: {
    args: [1, 1],
    keys: "first",
    run(around, [key = ""]) {
      const leftMs = timeLeft(around, key);
      return leftMs < 0 ? leftMs : Math.floor((leftMs + 500) / 1_000);
    },
  },
  TIME: {
    args: [0, 0],
    keys: "none",
    run: ({ db }) => [`${Math.floor(db.nowUs / 1_000_000)}`, `${Math.floor(db.nowUs % 1_000_000)}`],
  },
  SPUBLISH: {
    args: [2, 2],
    keys: "first",
    run: ({ publish }, [channel = "", message = ""]) => publish(channel, message),
  },
};

function remove({ db }: Surroundings, keys: readonly string[]): number {
  return keys.filter((key) => db.delete(key)).length;
}

function timeLeft({ db }: Surroundings, key: string): number {
  if (db.kindOf(key) === undefined) return -2;
  const atMs = db.expiryMs(key);
  return atMs === undefined ? -1 : atMs - db.nowMs;
}

function expire(
  { db }: Surroundings,
  [key = "", time, option]: readonly string[],
  unitMs: number,
  isRelative: boolean,
): number {
  const value = integer(time) * unitMs;
  const atMs = isRelative ? db.nowMs + value : value;
  const before = db.expiryMs(key);
  if (option !== undefined && !["NX", "XX", "GT", "LT"].includes(option.toUpperCase()))
    throw new RedisError(`ERR Unsupported option ${option}`);
  if (db.kindOf(key) === undefined) return 0;
  switch (option?.toUpperCase()) {
    case "NX":
      if (before !== undefined) return 0;
      break;
    case "XX":
      if (before === undefined) return 0;
      break;
    case "GT":
      if (before === undefined || atMs <= before) return 0;
      break;
    case "LT":
      if (before !== undefined && atMs >= before) return 0;
      break;
    case undefined:
      break;
    default:
      throw syntaxError();
  }
  db.expire(key, atMs);
  return 1;
}
