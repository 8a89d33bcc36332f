import type { RedisConnection, Reply } from "../../../src/stores/redis/connection.ts";
import { script, type Script } from "../../../src/stores/redis/script.ts";
import { LuaError } from "../../simulation/support/lua/table.ts";
import { fromBytes } from "../../simulation/support/redis/bytes.ts";
import { RedisError, replyOf } from "../../simulation/support/redis/reply.ts";
import { SimulatedServer } from "../../simulation/support/redis/simulated-server.ts";

/** What became of a call; of an error its kind alone, which is the first word. */
export type Outcome = { readonly reply: Reply } | { readonly error: string };

const COMMAND = script("command", "return redis.call(unpack(ARGV))");
const KEY_NAMES = script("key-names", "return redis.call('KEYS', ARGV[1])");
/** Their items have no order that a caller could rely on. */
const UNORDERED = new Set(["SMEMBERS", "SSCAN", "KEYS", "HKEYS", "HVALS"]);
const IN_PAIRS = new Set(["HGETALL", "HSCAN"]);

/** A real server and a simulated one, which are told the same. */
export class RedisPair {
  readonly #real: RedisConnection;
  readonly #prefix: string;
  readonly #simulated = new SimulatedServer({
    nowUs: () => Date.now() * 1_000,
    random: () => 0,
    publish: () => 0,
  });

  /** All keys are to begin with the prefix. */
  constructor(real: RedisConnection, prefix: string) {
    this.#real = real;
    this.#prefix = prefix;
  }

  async run(
    which: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<{ readonly real: Outcome; readonly simulated: Outcome }> {
    return {
      real: await this.#runReal(which, keys, args),
      simulated: this.#runSimulated(which, keys, args),
    };
  }

  async command(name: string, key: string, ...args: readonly string[]) {
    const { real, simulated } = await this.run(COMMAND, [key], [name, key, ...args]);
    return { real: inOrder(name, real), simulated: inOrder(name, simulated) };
  }

  /** All that is there: by key its type, its content, and whether it expires. */
  async dumps(): Promise<{ readonly real: object; readonly simulated: object }> {
    const names = await this.#real.run(KEY_NAMES, [], [`${this.#prefix}*`]);
    const real: Record<string, unknown> = {};
    for (const key of (names as readonly string[]).toSorted())
      real[key] = await dump(key, (args) => this.#runReal(COMMAND, [key], args));
    const simulated: Record<string, unknown> = {};
    for (const key of this.#simulated.db.keys().map(fromBytes).toSorted())
      simulated[key] = await dump(key, (args) => this.#runSimulated(COMMAND, [key], args));
    return { real, simulated };
  }

  async #runReal(
    which: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<Outcome> {
    try {
      return { reply: await this.#real.run(which, keys, args) };
    } catch (error) {
      return { error: firstWord(error) };
    }
  }

  #runSimulated(which: Script, keys: readonly string[], args: readonly string[]): Outcome {
    try {
      return { reply: replyOf(this.#simulated.run(which, keys, args)) };
    } catch (error) {
      if (error instanceof RedisError) return { error: firstWord(error) };
      if (error instanceof LuaError) return { error: "ERR" };
      throw error;
    }
  }
}

async function dump(
  key: string,
  call: (args: readonly string[]) => Promise<Outcome> | Outcome,
): Promise<unknown> {
  const ask = async (name: string, ...args: string[]): Promise<Reply> => {
    const outcome = inOrder(name, await call([name, key, ...args]));
    return "reply" in outcome ? outcome.reply : outcome.error;
  };
  const type = await ask("TYPE");
  const content = {
    string: () => ask("GET"),
    hash: () => ask("HGETALL"),
    set: () => ask("SMEMBERS"),
    list: () => ask("LRANGE", "0", "-1"),
    zset: () => ask("ZRANGE", "0", "-1", "WITHSCORES"),
    stream: () => ask("XRANGE", "-", "+"),
  }[type as "string"];
  return { type, content: await content(), expires: Number(await ask("PTTL")) >= 0 };
}

function inOrder(name: string, outcome: Outcome): Outcome {
  if ("error" in outcome) return outcome;
  const { reply } = outcome;
  if (!Array.isArray(reply)) return outcome;
  if (name.endsWith("SCAN")) {
    const [cursor, items] = reply as [Reply, Reply[]];
    return { reply: [cursor, sorted(items, IN_PAIRS.has(name) ? 2 : 1)] };
  }
  if (IN_PAIRS.has(name)) return { reply: sorted(reply as Reply[], 2) };
  return UNORDERED.has(name) ? { reply: sorted(reply as Reply[], 1) } : outcome;
}

function sorted(items: readonly Reply[], size: number): Reply[] {
  const groups: Reply[][] = [];
  for (let i = 0; i < items.length; i += size) groups.push(items.slice(i, i + size));
  return groups.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)).flat();
}

function firstWord(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split(" ")[0] ?? "";
}
