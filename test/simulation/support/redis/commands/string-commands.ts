import { OK, RedisError, type RawReply } from "../reply.ts";
import { integer, MANY, syntaxError, type Commands, type Surroundings } from "./command.ts";

export const STRING_COMMANDS: Commands = {
  GET: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => db.find(key, "string")?.value ?? null,
  },
  MGET: {
    args: [1, MANY],
    keys: "all",
    run: ({ db }, keys) =>
      keys.map((key) =>
        db.kindOf(key) === "string" ? (db.find(key, "string")?.value ?? null) : null,
      ),
  },
  SET: { args: [2, MANY], keys: "first", run: set },
  INCR: { args: [1, 1], keys: "first", run: (around, [key = ""]) => increase(around, key, 1) },
  DECR: { args: [1, 1], keys: "first", run: (around, [key = ""]) => increase(around, key, -1) },
  INCRBY: {
    args: [2, 2],
    keys: "first",
    run: (around, [key = "", by]) => increase(around, key, integer(by)),
  },
  DECRBY: {
    args: [2, 2],
    keys: "first",
    run: (around, [key = "", by]) => increase(around, key, -integer(by)),
  },
};

function set(
  { db }: Surroundings,
  [key = "", value = "", ...options]: readonly string[],
): RawReply {
  let condition: string | undefined;
  let [answersOld, keepsExpiry] = [false, false];
  let expiresAtMs: number | undefined;
  for (let i = 0; i < options.length; i++) {
    const option = options[i]?.toUpperCase() ?? "";
    if ((option === "NX" || option === "XX") && condition === undefined) condition = option;
    else if (option === "GET") answersOld = true;
    else if (option === "KEEPTTL" && expiresAtMs === undefined) keepsExpiry = true;
    else if ((option === "PX" || option === "EX") && expiresAtMs === undefined && !keepsExpiry) {
      if (i + 1 >= options.length) throw syntaxError();
      const time = integer(options[++i]) * (option === "EX" ? 1_000 : 1);
      if (time <= 0) throw new RedisError("ERR invalid expire time in 'set' command");
      expiresAtMs = db.nowMs + time;
    } else throw syntaxError();
  }
  const isThere = db.kindOf(key) !== undefined;
  const old = answersOld ? (db.find(key, "string")?.value ?? null) : OK;
  if ((condition === "NX" && isThere) || (condition === "XX" && !isThere))
    return answersOld ? old : null;
  const before = db.expiryMs(key);
  db.setText(key, value);
  db.expire(key, keepsExpiry ? before : expiresAtMs);
  return old;
}

function increase({ db }: Surroundings, key: string, by: number): number {
  const text = db.find(key, "string");
  const sum = integer(text?.value ?? "0") + by;
  if (text === undefined) db.setText(key, `${sum}`);
  else text.value = `${sum}`;
  return sum;
}
