import { RedisError, type RawReply } from "../reply.ts";
import type { Scored } from "../sorted-set.ts";
import {
  float,
  floatText,
  integer,
  MANY,
  pairs,
  slice,
  syntaxError,
  type Commands,
  type Surroundings,
} from "./command.ts";
import { lexSelection, scoreSelection, zrange } from "./zset-range.ts";

export const ZSET_COMMANDS: Commands = {
  ZADD: { args: [3, MANY], keys: "first", run: add },
  ZREM: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", ...members]) {
      const set = db.find(key, "zset");
      const gone = members.filter((member) => set?.delete(member) === true).length;
      db.tidy(key);
      return gone;
    },
  },
  ZINCRBY: {
    args: [3, 3],
    keys: "first",
    run({ db }, [key = "", by, member = ""]) {
      const step = float(by);
      const set = db.findOrMake(key, "zset");
      const score = (set.scoreOf(member) ?? 0) + step;
      set.set(member, score);
      return floatText(score);
    },
  },
  ZSCORE: {
    args: [2, 2],
    keys: "first",
    run({ db }, [key = "", member = ""]) {
      const score = db.find(key, "zset")?.scoreOf(member);
      return score === undefined ? null : floatText(score);
    },
  },
  ZMSCORE: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", ...members]) {
      const set = db.find(key, "zset");
      return members.map((member) => {
        const score = set?.scoreOf(member);
        return score === undefined ? null : floatText(score);
      });
    },
  },
  ZRANK: {
    args: [2, 2],
    keys: "first",
    run: ({ db }, [key = "", member = ""]) => db.find(key, "zset")?.rankOf(member) ?? null,
  },
  ZCARD: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => db.find(key, "zset")?.size ?? 0,
  },
  ZCOUNT: {
    args: [3, 3],
    keys: "first",
    run({ db }, [key = "", min, max]) {
      const within = scoreSelection(min, max);
      return within(db.find(key, "zset")?.items ?? []).length;
    },
  },
  ZRANGE: { args: [3, MANY], keys: "first", run: (around, args) => zrange(around, args) },
  ZREVRANGE: {
    args: [3, 4],
    keys: "first",
    run: (around, args) => zrange(around, [...args, "REV"]),
  },
  ZRANGEBYSCORE: {
    args: [3, MANY],
    keys: "first",
    run: (around, args) => zrange(around, [...args, "BYSCORE"]),
  },
  ZREVRANGEBYSCORE: {
    args: [3, MANY],
    keys: "first",
    run: (around, args) => zrange(around, [...args, "BYSCORE", "REV"]),
  },
  ZRANGEBYLEX: {
    args: [3, MANY],
    keys: "first",
    run: (around, args) => zrange(around, [...args, "BYLEX"]),
  },
  ZPOPMIN: { args: [1, 2], keys: "first", run: (around, args) => pop(around, args, "min") },
  ZPOPMAX: { args: [1, 2], keys: "first", run: (around, args) => pop(around, args, "max") },
  ZREMRANGEBYRANK: {
    args: [3, 3],
    keys: "first",
    run(around, [key = "", start, stop]) {
      const [first, last] = [integer(start), integer(stop)];
      const items = around.db.find(key, "zset")?.items ?? [];
      return removeAll(around, key, slice(items, first, last));
    },
  },
  ZREMRANGEBYSCORE: {
    args: [3, 3],
    keys: "first",
    run(around, [key = "", min, max]) {
      const within = scoreSelection(min, max);
      return removeAll(around, key, within(around.db.find(key, "zset")?.items ?? []));
    },
  },
  ZREMRANGEBYLEX: {
    args: [3, 3],
    keys: "first",
    run(around, [key = "", min, max]) {
      const within = lexSelection(min, max);
      return removeAll(around, key, within(around.db.find(key, "zset")?.items ?? []));
    },
  },
};

const ADD_OPTIONS = new Set(["NX", "XX", "GT", "LT", "CH", "INCR"]);

function add({ db }: Surroundings, [key = "", ...rest]: readonly string[]): RawReply {
  const options = new Set<string>();
  let at = 0;
  while (ADD_OPTIONS.has(rest[at]?.toUpperCase() ?? ""))
    options.add(rest[at++]?.toUpperCase() ?? "");
  if (options.has("INCR")) throw new Error("the simulated Redis has no ZADD INCR");
  const given = rest.slice(at);
  if (given.length === 0 || given.length % 2 !== 0) throw syntaxError();
  const limits = ["NX", "GT", "LT"].filter((option) => options.has(option)).length;
  if (options.has("NX") && options.has("XX"))
    throw new RedisError("ERR XX and NX options at the same time are not compatible");
  if (limits > 1)
    throw new RedisError("ERR GT, LT, and/or NX options at the same time are not compatible");
  const scored = pairs(given).map(([score, member]) => ({ member, score: float(score) }));
  const found = db.find(key, "zset");
  if (found === undefined && options.has("XX")) return 0;
  const set = found ?? db.findOrMake(key, "zset");
  let [added, changed] = [0, 0];
  for (const { member, score } of scored) {
    const before = set.scoreOf(member);
    if (before === undefined) {
      if (options.has("XX")) continue;
      set.set(member, score);
      added++;
    } else if (
      !options.has("NX") &&
      score !== before &&
      !(options.has("GT") && score < before) &&
      !(options.has("LT") && score > before)
    ) {
      set.set(member, score);
      changed++;
    }
  }
  db.tidy(key);
  return options.has("CH") ? added + changed : added;
}

function pop(
  around: Surroundings,
  [key = "", count]: readonly string[],
  end: "min" | "max",
): RawReply {
  const most = count === undefined ? 1 : integer(count);
  if (most < 0) throw new RedisError("ERR value is out of range, must be positive");
  const items = around.db.find(key, "zset")?.items ?? [];
  const popped = end === "min" ? items.slice(0, most) : items.toReversed().slice(0, most);
  removeAll(around, key, popped);
  return popped.flatMap(({ member, score }) => [member, floatText(score)]);
}

function removeAll({ db }: Surroundings, key: string, items: readonly Scored[]): number {
  const set = db.find(key, "zset");
  for (const { member } of items) set?.delete(member);
  db.tidy(key);
  return items.length;
}
