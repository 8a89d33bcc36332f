import { RedisError } from "../reply.ts";
import { OK } from "../reply.ts";
import { integer, MANY, pairs, type Commands } from "./command.ts";
import { scan } from "./scan.ts";

export const HASH_COMMANDS: Commands = {
  HGET: {
    args: [2, 2],
    keys: "first",
    run: ({ db }, [key = "", field = ""]) => db.find(key, "hash")?.get(field) ?? null,
  },
  HSET: {
    args: [3, MANY],
    keys: "first",
    run({ db }, [key = "", ...rest]) {
      const entries = pairs(rest);
      const hash = db.findOrMake(key, "hash");
      const before = hash.size;
      for (const [field, value] of entries) hash.set(field, value);
      return hash.size - before;
    },
  },
  HMSET: {
    args: [3, MANY],
    keys: "first",
    run({ db }, [key = "", ...rest]) {
      const entries = pairs(rest);
      const hash = db.findOrMake(key, "hash");
      for (const [field, value] of entries) hash.set(field, value);
      return OK;
    },
  },
  HSETNX: {
    args: [3, 3],
    keys: "first",
    run({ db }, [key = "", field = "", value = ""]) {
      const hash = db.findOrMake(key, "hash");
      if (hash.has(field)) return 0;
      hash.set(field, value);
      return 1;
    },
  },
  HMGET: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", ...fields]) {
      const hash = db.find(key, "hash");
      return fields.map((field) => hash?.get(field) ?? null);
    },
  },
  HDEL: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", ...fields]) {
      const hash = db.find(key, "hash");
      const gone = fields.filter((field) => hash?.delete(field) === true).length;
      db.tidy(key);
      return gone;
    },
  },
  HGETALL: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => [...(db.find(key, "hash") ?? [])].flat(),
  },
  HKEYS: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => [...(db.find(key, "hash")?.keys() ?? [])],
  },
  HVALS: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => [...(db.find(key, "hash")?.values() ?? [])],
  },
  HEXISTS: {
    args: [2, 2],
    keys: "first",
    run: ({ db }, [key = "", field = ""]) => (db.find(key, "hash")?.has(field) === true ? 1 : 0),
  },
  HLEN: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => db.find(key, "hash")?.size ?? 0,
  },
  HINCRBY: {
    args: [3, 3],
    keys: "first",
    run({ db }, [key = "", field = "", by]) {
      const step = integer(by);
      const before = db.find(key, "hash")?.get(field) ?? "0";
      if (!/^-?\d+$/.test(before)) throw new RedisError("ERR hash value is not an integer");
      const sum = integer(before) + step;
      db.findOrMake(key, "hash").set(field, `${sum}`);
      return sum;
    },
  },
  HSCAN: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", cursor, ...options]) {
      const [next, fields] = scan(() => db.find(key, "hash")?.keys(), cursor, options);
      const hash = db.find(key, "hash");
      return [next, fields.flatMap((field) => [field, hash?.get(field) ?? ""])];
    },
  },
};
