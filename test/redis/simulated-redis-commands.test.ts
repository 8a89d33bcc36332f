import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { COMMAND_NAMES } from "../simulation/support/redis/commands/commands.ts";
import { connectPlainly, startRedis } from "../support/plain-redis.ts";
import { RedisPair } from "./support/redis-pair.ts";

let server: Awaited<ReturnType<typeof startRedis>>;
let connection: RedisConnection;
beforeAll(async () => {
  server = await startRedis();
  connection = await connectPlainly(server.port);
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

/** Few of each, so that they meet. */
const member = fc.constantFrom("a", "b", "c", "ä", "12", "");
const value = fc.constantFrom("x", "7", "-3", "3.5", "", "ü", "1750000000000000");
const integer = fc.constantFrom("0", "1", "2", "-1", "-2", "5", "100", "nought");
const score = fc.constantFrom(
  "0",
  "1",
  "2",
  "-1.5",
  "1e3",
  "inf",
  "-inf",
  "1750000000000",
  "0.1",
  "?",
);
const scoreBound = fc.constantFrom("-inf", "+inf", "1", "(1", "(2", "1000", "-2", "(x");
const lexBound = fc.constantFrom("-", "+", "[a", "(a", "[b", "(c", "b");
const id = fc.constantFrom("1-0", "2-0", "3-1", "5", "1750000000000000-0", "0-0", "x");
const idBound = fc.constantFrom("-", "+", "1", "2-0", "(2-0", "(5", "9");
const word = (...words: string[]) => fc.constantFrom(...words);
const some = <T>(arbitrary: fc.Arbitrary<T>, maxLength = 3) =>
  fc.array(arbitrary, { minLength: 1, maxLength });
const maybe = (...parts: fc.Arbitrary<string>[]) =>
  fc.option(fc.tuple(...parts), { nil: [] as string[] });
const flat = (...parts: fc.Arbitrary<string | readonly string[]>[]) =>
  fc.tuple(...parts).map((values) => values.flat());

const limit = maybe(word("LIMIT", "limit"), integer, integer);
const withScores = maybe(word("WITHSCORES"));
const scoredMembers = some(fc.tuple(score, member)).map((all) => all.flat());
const fieldValues = some(fc.tuple(member, value)).map((all) => all.flat());
const expiry = fc.constantFrom("500000", "900000", "0", "-5", "soon");

/** Commands by name; those that draw at random, or tell the time, have a test of their own. */
const ARGUMENTS: Readonly<Record<string, fc.Arbitrary<readonly string[]>>> = {
  DEL: flat(),
  UNLINK: flat(),
  EXISTS: flat(),
  TYPE: flat(),
  EXPIRE: flat(expiry, maybe(word("NX", "XX", "GT", "LT"))),
  PEXPIRE: flat(expiry),
  PEXPIREAT: flat(fc.constantFrom("1", "9999999999999", "x")),
  PERSIST: flat(),
  SPUBLISH: flat(value),
  GET: flat(),
  MGET: flat(),
  SET: flat(
    value,
    maybe(word("NX", "XX")),
    maybe(word("GET")),
    fc.option(fc.tuple(word("PX", "EX"), expiry), { nil: [] as string[] }),
    maybe(word("KEEPTTL")),
  ),
  INCR: flat(),
  DECR: flat(),
  INCRBY: flat(integer),
  DECRBY: flat(integer),
  HGET: flat(member),
  HSET: flat(fieldValues),
  HMSET: flat(fieldValues),
  HSETNX: flat(member, value),
  HMGET: flat(some(member)),
  HDEL: flat(some(member)),
  HGETALL: flat(),
  HKEYS: flat(),
  HVALS: flat(),
  HEXISTS: flat(member),
  HLEN: flat(),
  HINCRBY: flat(member, integer),
  HSCAN: flat(word("0"), maybe(word("COUNT"), fc.constantFrom("100", "0"))),
  SADD: flat(some(member)),
  SREM: flat(some(member)),
  SCARD: flat(),
  SISMEMBER: flat(member),
  SMEMBERS: flat(),
  SSCAN: flat(word("0", "x"), maybe(word("COUNT"), fc.constantFrom("100"))),
  LPUSH: flat(some(value)),
  RPUSH: flat(some(value)),
  LPOP: flat(maybe(integer)),
  RPOP: flat(maybe(integer)),
  LLEN: flat(),
  LINDEX: flat(integer),
  LRANGE: flat(integer, integer),
  LTRIM: flat(integer, integer),
  LREM: flat(integer, value),
  LMOVE: flat(word("{t}:a", "{t}:b"), word("LEFT", "right"), word("LEFT", "RIGHT", "UP")),
  ZADD: flat(fc.subarray(["NX", "XX", "GT", "LT", "CH"], { maxLength: 2 }), scoredMembers),
  ZREM: flat(some(member)),
  ZINCRBY: flat(fc.constantFrom("1", "-2.5", "x"), member),
  ZSCORE: flat(member),
  ZMSCORE: flat(some(member)),
  ZRANK: flat(member),
  ZCARD: flat(),
  ZCOUNT: flat(scoreBound, scoreBound),
  ZRANGE: fc.oneof(
    flat(integer, integer, maybe(word("REV")), withScores),
    flat(scoreBound, scoreBound, word("BYSCORE"), maybe(word("REV")), limit, withScores),
  ),
  ZREVRANGE: flat(integer, integer, withScores),
  ZRANGEBYSCORE: flat(scoreBound, scoreBound, withScores, limit),
  ZREVRANGEBYSCORE: flat(scoreBound, scoreBound, withScores, limit),
  ZPOPMIN: flat(maybe(integer)),
  ZPOPMAX: flat(maybe(integer)),
  ZREMRANGEBYRANK: flat(integer, integer),
  ZREMRANGEBYSCORE: flat(scoreBound, scoreBound),
  XADD: flat(
    maybe(word("NOMKSTREAM")),
    fc.option(fc.tuple(word("MAXLEN", "MINID"), word("=", "2"), word("2", "3")), { nil: [] }),
    fc.oneof(id, word("4-*")),
    fieldValues,
  ),
  XLEN: flat(),
  XDEL: flat(some(id)),
  XRANGE: flat(idBound, idBound, maybe(word("COUNT"), integer)),
  XREVRANGE: flat(idBound, idBound, maybe(word("COUNT"), integer)),
  XTRIM: flat(word("MAXLEN", "MINID"), maybe(word("=")), integer),
};
/** For sets in which all scores are equal. */
const ARGUMENTS_BY_NAME: typeof ARGUMENTS = {
  DEL: flat(),
  ZADD: some(member).map((members) => members.flatMap((each) => ["0", each])),
  ZREM: flat(some(member)),
  ZRANGE: flat(lexBound, lexBound, word("BYLEX"), maybe(word("REV")), limit),
  ZRANGEBYLEX: flat(lexBound, lexBound, limit),
  ZREMRANGEBYLEX: flat(lexBound, lexBound),
};
/** They are not told the same by two servers at one time. */
const DRAWN_OR_TIMED = ["TIME", "PTTL", "TTL", "SRANDMEMBER", "SPOP"];

const FAMILY_SIZE = 25;

const FAMILIES: Readonly<Record<string, RegExp>> = {
  strings: /^(?:SET|GET|MGET|INCR|DECR|INCRBY|DECRBY)$/,
  hashes: /^H/,
  sets: /^S(?:ADD|REM|CARD|ISMEMBER|MEMBERS|SCAN)$/,
  lists: /^(?:L|RP)/,
  "sorted sets": /^Z/,
  streams: /^X/,
  "anything, also of the wrong type": /./,
};

describe("the commands of the simulated Redis", () => {
  test("are all compared", () => {
    const compared = [ARGUMENTS, ARGUMENTS_BY_NAME].flatMap(Object.keys);
    expect([...new Set([...compared, ...DRAWN_OR_TIMED])].toSorted()).toEqual(
      COMMAND_NAMES.toSorted(),
    );
  });

  test.each(Object.keys(FAMILIES))("answer as a real server does: %s", async (family) => {
    const names = Object.keys(ARGUMENTS).filter(
      (name) => FAMILIES[family]?.test(name) === true || /^(?:DEL|TYPE|PEXPIRE)$/.test(name),
    );
    await compare(ARGUMENTS, names);
  });

  test("answer as a real server does: sorted sets by name", () =>
    compare(ARGUMENTS_BY_NAME, Object.keys(ARGUMENTS_BY_NAME)));

  let made = 0;
  async function compare(args: typeof ARGUMENTS, names: readonly string[]): Promise<void> {
    const step = fc
      .constantFrom(...names)
      .chain((name) =>
        fc.record({ name: fc.constant(name), key: word("a", "b"), args: args[name] ?? flat() }),
      );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        const prefix = `{t}:${++made}:`;
        const pair = new RedisPair(connection, prefix);
        for (const { name, key, args: given } of steps) {
          const its = given.map((arg) => arg.replace(/^\{t\}:/, prefix));
          const { real, simulated } = await pair.command(name, prefix + key, ...its);
          // Of two mistakes in one call, one server sees this first and one the other.
          if ("error" in real && "error" in simulated && names.length > FAMILY_SIZE) continue;
          expect({ name, args: its, ...simulated }).toEqual({ name, args: its, ...real });
        }
        const { real, simulated } = await pair.dumps();
        expect(simulated).toEqual(real);
      }),
      { numRuns: 200 },
    );
  }
});
