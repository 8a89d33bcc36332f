import { integer, MANY, type Commands } from "./command.ts";
import { scan } from "./scan.ts";
import { RedisError, type RawReply } from "../reply.ts";

export const SET_COMMANDS: Commands = {
  SADD: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", ...members]) {
      const set = db.findOrMake(key, "set");
      const before = set.size;
      for (const member of members) set.add(member);
      return set.size - before;
    },
  },
  SREM: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", ...members]) {
      const set = db.find(key, "set");
      const gone = members.filter((member) => set?.delete(member) === true).length;
      db.tidy(key);
      return gone;
    },
  },
  SCARD: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => db.find(key, "set")?.size ?? 0,
  },
  SISMEMBER: {
    args: [2, 2],
    keys: "first",
    run: ({ db }, [key = "", member = ""]) => (db.find(key, "set")?.has(member) === true ? 1 : 0),
  },
  SMEMBERS: {
    args: [1, 1],
    keys: "first",
    run: ({ db }, [key = ""]) => [...(db.find(key, "set") ?? [])],
  },
  SRANDMEMBER: {
    args: [1, 2],
    keys: "first",
    run({ db, random }, [key = "", count]) {
      const members = [...(db.find(key, "set") ?? [])];
      if (count === undefined) return members[Math.floor(random() * members.length)] ?? null;
      if (integer(count) < 0) throw new Error("the simulated Redis draws no member twice");
      return drawn(members, integer(count), random);
    },
  },
  SPOP: {
    args: [1, 2],
    keys: "first",
    run({ db, random }, [key = "", count]): RawReply {
      const set = db.find(key, "set");
      if (count !== undefined && integer(count) < 0)
        throw new RedisError("ERR value is out of range, must be positive");
      const members = drawn([...(set ?? [])], count === undefined ? 1 : integer(count), random);
      for (const member of members) set?.delete(member);
      db.tidy(key);
      return count === undefined ? (members[0] ?? null) : members;
    },
  },
  SSCAN: {
    args: [2, MANY],
    keys: "first",
    run({ db }, [key = "", cursor, ...options]) {
      return [...scan(() => db.find(key, "set"), cursor, options)];
    },
  },
};

function drawn(members: string[], count: number, random: () => number): string[] {
  const found: string[] = [];
  while (found.length < count && members.length > 0)
    found.push(...members.splice(Math.floor(random() * members.length), 1));
  return found;
}
