import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { script } from "../../src/stores/redis/script.ts";
import { runScript } from "../simulation/support/lua/program.ts";
import { connectPlainly, startRedis } from "../support/plain-redis.ts";
import { RedisPair } from "./support/redis-pair.ts";

let server: Awaited<ReturnType<typeof startRedis>>;
let connection: RedisConnection;
let pair: RedisPair;
beforeAll(async () => {
  server = await startRedis();
  connection = await connectPlainly(server.port);
  pair = new RedisPair(connection, "{t}:");
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

async function expectSame(source: string, args: readonly string[] = []): Promise<void> {
  const { real, simulated } = await pair.run(script("sample", source), ["{t}:key"], args);
  expect({ source, args, ...simulated }).toEqual({ source, args, ...real });
}

const VALUES = [
  "nil",
  "false",
  "true",
  "0",
  "1",
  "2.5",
  "-3",
  "''",
  "'0'",
  "'a'",
  "'b'",
  "'10'",
  "' 7 '",
  "{}",
  "{1}",
];
const OPERATORS = ["+", "-", "*", "/", "%", "..", "==", "~=", "<", "<=", ">", ">=", "and", "or"];

/** Programs whose point is the answer. */
const PROGRAMS = [
  // Several values.
  "local function f() return 1, 2, 3 end local a, b = f() return {a, b, f()}",
  "local function f() return 1, 2 end return {f(), f()}",
  "local function f() end return {f(), 5}",
  "local function f(a, b) return b, a end local t = {f(1, f(2, 3))} return t",
  "local function f(a, b, c) return {a, b, c} end return f(unpack({7, 8, 9}))",
  "return {unpack({1, 2, 3}, 2)}",
  "return {unpack({1, 2, 3}, 2, 2), 9}",
  "local a, b = string.find('one,two', ',', 1, true) return {a, b}",
  "return {string.find('a.b.c', '.', 3, true)}",
  "return {string.find('abc', '', 10, true)}",
  "return {string.find('abc', '', -2, true)}",
  "local a, b, c = 1, 2 return {a, b, tostring(c)}",
  "local a, b = 1, 2 a, b = b, a return {a, b}",
  // Scopes.
  "local a = 1 local a = a + 1 return a",
  "local a = 1 do local a = 2 end return a",
  "local a = 1 if true then local a = 2 end return a",
  "local f local function g(n) if n == 0 then return 0 end return f(n - 1) end f = function(n) return g(n) end return g(3)",
  "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end return fib(15)",
  "local fs = {} for i = 1, 3 do fs[i] = function() return i end end return {fs[1](), fs[2](), fs[3]()}",
  "local class, new, delete, value, line, names = 1, 2, 3, 4, 5, 6 return class + new + delete + value + line + names",
  // Loops.
  "local s = 0 for i = 1, 10 do s = s + i end return s",
  "local t = {} for i = 10, 1, -3 do table.insert(t, i) end return t",
  "local t = {} for i = 1, 0 do table.insert(t, i) end return #t",
  "local n = 0 for i = 1, 3 do i = i + 10 n = n + i end return n",
  "local n = 0 while true do n = n + 1 if n > 4 then break end end return n",
  "local n = 0 repeat local m = n n = n + 1 until m == 3 return n",
  "local t = {} for i, v in ipairs({5, 6, nil, 7}) do table.insert(t, v) end return t",
  "local t = {} for i in ipairs({'a', 'b'}) do t[#t + 1] = i end return t",
  "local s = 0 for _, v in ipairs(ARGV) do s = s + v end return s",
  // Tables.
  "local t = {} t[1] = 'a' t[2] = 'b' t[#t + 1] = 'c' return t",
  "local t = {1, 2, 3} t[#t] = nil return {#t, t[3] == nil}",
  "local t = {} t[2] = 'b' t[1] = 'a' return {#t, t[1], t[2]}",
  "local t = {a = 1, ['b'] = 2, 3} return {t.a, t['b'], t[1], t.c == nil}",
  "local t = {} t.x = {y = {z = 5}} return t.x.y.z",
  "local t = {1, 3} table.insert(t, 2, 2) table.insert(t, 1, 0) return t",
  "return table.concat({1, 'b', 2.5}, ', ')",
  "return table.concat({})",
  "return {1, 2, nil, 4}",
  "return {1, false, 3}",
  "return {{1, {2}}, 'x'}",
  "return #'ä'",
  // Numbers and texts.
  "return {3.99, -3.99, 1e15}",
  "return 4503599627370495",
  "return 1750000000000000 + 1",
  "return {7 % 3, -7 % 3, 7 % -3, -7 % -3}",
  "return tostring(5.5 % 2)",
  "return 10 .. ''",
  "return 1.5 .. '|' .. -0.25",
  "return tostring(1e13)",
  "return {tostring(nil), tostring(true), tostring('x'), tostring(12)}",
  "return string.format('%.0f', 1750000000000000)",
  "return string.format('%.0f|%.0f|%.0f|%.0f', 0.5, 1.5, 2.5, -0.4)",
  "return string.format('%d %d %s %s %%', 3.7, -3.7, 'x', 12)",
  "return {tostring(tonumber('')), tostring(tonumber('x')), tonumber(' 5 '), tonumber('1e3'), tostring(tonumber('5x'))}",
  "return {tostring(tonumber(nil)), tostring(tonumber(false)), tostring(tonumber({}))}",
  "return {tonumber('007'), tostring(tonumber('.5')), tostring(tonumber('5.')), tostring(tonumber('-.5e1'))}",
  "return {string.sub('hello', 2), string.sub('hello', -3), string.sub('hello', 2, -2), string.sub('hello', 4, 2), string.sub('hello', 0), string.sub('hello', -100, 2), string.sub('x', 2)}",
  "return {string.len(''), string.len('ä'), string.sub('ä', 1, 2)}",
  "return {math.floor(-1.5), math.max(1, 5, 3), math.min(2, -1), math.max('7', 3)}",
  "return '10' + 5",
  "return 'a\\tb\\n\\\"c\\65'",
  "return not nil",
  "return {0 and 1, '' and 2, nil or 3, false or 4, 5 or 6}",
  "return 1 < 2 and 'yes' or 'no'",
  "return (nil and 1) or 'z'",
  "local t = {} return t == t",
  "return {} == {}",
  "return -'2'",
  // Faults.
  "return nil .. 'x'",
  "return {} .. 'x'",
  "return nil + 1",
  "return 'x' + 1",
  "return 1 < '2'",
  "return {} < {}",
  "return nil < 1",
  "return #nil",
  "return #5",
  "local t = nil return t.x",
  "local t = nil t.x = 1",
  "local t = {} t[nil] = 1",
  "local f = nil f()",
  "return string.format('%s', nil)",
  "return string.format('%d', 'x')",
  "return string.format('%d')",
  "return table.concat({1, {}, 3})",
  "return string.sub()",
  "return math.max()",
  "return math.floor(nil)",
  "for i = 1, 'x' do end",
  "for _, v in ipairs(nil) do end",
  // Redis.
  "return redis.error_reply('WRONG thing')",
  "return redis.status_reply('FINE')",
  "return {err = 'NOPE no'}",
  "return redis.call('GET', KEYS[1])",
  "return redis.call('HGET', KEYS[1], 'none') == false",
  "redis.call('SET', KEYS[1], 'v') redis.call('HGET', KEYS[1], 'x') return 1",
  "return redis.call('DEL', KEYS[1])",
  "redis.call('SET', KEYS[1], 1750000000000000) return redis.call('GET', KEYS[1])",
  "return redis.call('SET', KEYS[1], 'v').ok",
  "return redis.call('SET', KEYS[1], nil)",
  "return redis.call('SET', KEYS[1], {})",
  "return redis.call('GET')",
  "redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'a', 'b') return #redis.call('LRANGE', KEYS[1], 0, -1)",
  "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[1], 'a', 1) local t = redis.call('HMGET', KEYS[1], 'a', 'b') return {t[1], t[2] == false, #t}",
  "return",
  "",
];

describe("Lua, translated", () => {
  test.each(PROGRAMS)("answers as a real server does: %s", async (source) => {
    await expectSame(source, ["1", "2", "3"]);
  });

  test("operators do with any two values as on a real server", async () => {
    for (const left of VALUES) {
      for (const right of VALUES) {
        for (const operator of OPERATORS) {
          const result = `local r = (${left}) ${operator} (${right})`;
          // Tables have no text, and what is infinite or no number is none of ours.
          if (left.startsWith("{") || right.startsWith("{")) {
            await expectSame(`${result} if r then return 1 else return 0 end`);
            continue;
          }
          if (operator === "/" || operator === "%") {
            await expectSame(`${result} return math.floor(r * 1000) > 5`);
            continue;
          }
          await expectSame(`${result} return {tostring(r), r and 1 or 0, r}`);
        }
      }
    }
  });

  test("numbers are read from texts as on a real server", () =>
    fc.assert(
      fc.asyncProperty(
        fc
          .array(fc.constantFrom(..."0123456789+-.eE x"), { maxLength: 6 })
          .map((all) => all.join(""))
          .filter((text) => !/^\s*[-+]?0x/i.test(text) && !/e[-+]?\d\d/i.test(text)),
        async (text) =>
          expectSame("local n = tonumber(ARGV[1]) return n and string.format('%.0f', n * 16)", [
            text,
          ]),
      ),
      { numRuns: 500 },
    ));

  test("parts of texts are those of a real server, byte by byte", () =>
    fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom("a", "b", "ä", "€", ","), maxLength: 6 }),
        fc.constantFrom("a", "ä", ",", "ab", ""),
        fc.integer({ min: -8, max: 8 }),
        fc.integer({ min: -8, max: 8 }),
        async (text, part, from, to) => {
          const args = [text, part, `${from}`, `${to}`];
          await expectSame("return string.find(ARGV[1], ARGV[2], tonumber(ARGV[3]), true)", args);
          await expectSame(
            "return string.len(string.sub(ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])))",
            args,
          );
        },
      ),
      { numRuns: 500 },
    ));

  test("a text that would lose digits on a real server is refused", async () => {
    for (const source of [
      "return tostring(1750000000000000)",
      "return 'key:' .. 1750000000000000",
      "return table.concat({123456789012345})",
      "return string.format('%s', 100000000000000)",
      "return tostring(1 / 3)",
    ]) {
      const run = (): unknown => runScript(script("s", source), ["{t}:k"], [], () => null);
      expect(run).toThrow("loses digits");
    }
    const { real } = await pair.run(
      script("s", "return tostring(1750000000000000)"),
      ["{t}:k"],
      [],
    );
    expect(real).toEqual({ reply: "1.75e+15" });
  });

  test.each([
    ["for k, v in pairs({}) do end", "a for over anything but ipairs"],
    ["x = 1", "the global variable x"],
    ["return y", "the global variable y"],
    ["return string.gsub('a', 'b', 'c')", "string.gsub"],
    ["return ('x'):len()", "a call with ':'"],
    ["return setmetatable({}, {})", "setmetatable"],
    ["return cjson.encode({})", "cjson.encode"],
    ["local function f(...) return 1 end", "..."],
    ["function f() end", "a function that is not local"],
    ["return redis.pcall('GET', 'x')", "redis.pcall"],
    ["return 2 ^ 3", "the operator ^"],
    ["local s = string.sub return s", "sub as a value"],
  ])("what is outside our Lua is refused by name and line: %s", (source, construct) => {
    const run = (): unknown => runScript(script("s", `\n${source}`), ["{t}:k"], [], () => null);
    expect(run).toThrow(`line 2: ${construct} is outside`);
  });

  test("a pattern is refused where it is used", () => {
    const source = "return string.find('a', '%a', 1)";
    expect(() => runScript(script("s", source), ["{t}:k"], [], () => null)).toThrow("a pattern");
  });
});
