import { OK, RedisError, type RawReply } from "../reply.ts";
import {
  integer,
  MANY,
  placesOf,
  slice,
  syntaxError,
  type Commands,
  type Surroundings,
} from "./command.ts";

export const LIST_COMMANDS: Commands = {
  LPUSH: {
    args: [2, MANY],
    keys: "first",
    run: ({ db }, [key = "", ...items]) =>
      db.findOrMake(key, "list").unshift(...items.toReversed()),
  },
  RPUSH: {
    args: [2, MANY],
    keys: "first",
    run: ({ db }, [key = "", ...items]) => db.findOrMake(key, "list").push(...items),
  },
  LPOP: { args: [1, 2], keys: "first", run: (around, args) => pop(around, args, "left") },
  RPOP: { args: [1, 2], keys: "first", run: (around, args) => pop(around, args, "right") },
  LLEN: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => db.find(key, "list")?.length ?? 0,
  },
  LINDEX: {
    args: [2, 2],
    keys: "first",
    run: ({ db }, [key = "", at]) => db.find(key, "list")?.at(integer(at)) ?? null,
  },
  LRANGE: {
    args: [3, 3],
    keys: "first",
    run: ({ db }, [key = "", start, stop]) =>
      slice(db.find(key, "list") ?? [], integer(start), integer(stop)),
  },
  LTRIM: {
    args: [3, 3],
    keys: "first",
    run({ db }, [key = "", start, stop]) {
      const [first, last] = [integer(start), integer(stop)];
      const list = db.find(key, "list");
      if (list === undefined) return OK;
      const [from, to] = placesOf(list.length, first, last);
      if (from > to) list.length = 0;
      else list.splice(0, list.length, ...list.slice(from, to + 1));
      db.tidy(key);
      return OK;
    },
  },
  LREM: {
    args: [3, 3],
    keys: "first",
    run({ db }, [key = "", count, item = ""]) {
      const most = integer(count);
      const list = db.find(key, "list");
      if (list === undefined) return 0;
      let removed = 0;
      const isWanted = (): boolean => most === 0 || removed < Math.abs(most);
      if (most >= 0) {
        for (let i = 0; i < list.length && isWanted();)
          if (list[i] === item) removed += list.splice(i, 1).length;
          else i++;
      } else {
        for (let i = list.length - 1; i >= 0 && isWanted(); i--)
          if (list[i] === item) removed += list.splice(i, 1).length;
      }
      db.tidy(key);
      return removed;
    },
  },
  LMOVE: {
    args: [4, 4],
    keys: "first-two",
    run({ db }, [from = "", to = "", out, into]) {
      const [source, target] = [sideOf(out), sideOf(into)];
      const list = db.find(from, "list");
      if (list === undefined) return null;
      const goal = db.findOrMake(to, "list");
      const item = (source === "left" ? list.shift() : list.pop()) as string;
      if (target === "left") goal.unshift(item);
      else goal.push(item);
      db.tidy(from);
      return item;
    },
  },
};

function sideOf(word: string | undefined): "left" | "right" {
  const side = word?.toUpperCase();
  if (side === "LEFT") return "left";
  if (side === "RIGHT") return "right";
  throw syntaxError();
}

function pop(
  { db }: Surroundings,
  [key = "", count]: readonly string[],
  side: "left" | "right",
): RawReply {
  const most = count === undefined ? 1 : integer(count);
  if (most < 0) throw new RedisError("ERR value is out of range, must be positive");
  const list = db.find(key, "list");
  if (list === undefined) return null;
  const items =
    side === "left"
      ? list.splice(0, most)
      : list.splice(Math.max(0, list.length - most)).toReversed();
  db.tidy(key);
  return count === undefined ? (items[0] ?? null) : items;
}
