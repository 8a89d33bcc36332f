import type { ServerLink } from "./server-link.ts";

/** What a user may not do, and for which of the three reasons that Redis knows. */
export interface Denial {
  readonly command: string;
  readonly reason: "command" | "key" | "channel";
}

/** Every command that our scripts call on a key, with the rest of its arguments as short as they may be. */
export const COMMANDS_ON_KEYS: Readonly<Record<string, readonly string[]>> = {
  DEL: [],
  EXISTS: [],
  GET: [],
  HDEL: ["f"],
  HEXISTS: ["f"],
  HGET: ["f"],
  HGETALL: [],
  HINCRBY: ["f", "1"],
  HKEYS: [],
  HLEN: [],
  HMGET: ["f"],
  HSET: ["f", "v"],
  HSETNX: ["f", "v"],
  LLEN: [],
  LRANGE: ["0", "0"],
  PERSIST: [],
  PEXPIRE: ["1"],
  PTTL: [],
  RPUSH: ["v"],
  SADD: ["m"],
  SCARD: [],
  SET: ["v"],
  SISMEMBER: ["m"],
  SMEMBERS: [],
  SREM: ["m"],
  SSCAN: ["0"],
  XADD: ["*", "f", "v"],
  XDEL: ["0-1"],
  XLEN: [],
  XRANGE: ["-", "+"],
  XREVRANGE: ["+", "-"],
  XTRIM: ["MAXLEN", "1"],
  ZADD: ["1", "m"],
  ZCARD: [],
  ZPOPMIN: [],
  ZRANGE: ["0", "0"],
  ZRANGEBYSCORE: ["0", "0"],
  ZREM: ["m"],
  ZREMRANGEBYSCORE: ["0", "0"],
  ZREVRANGE: ["0", "0"],
  ZSCORE: ["m"],
};

/** On channels, and on nothing. */
export const OTHER_COMMANDS = ["EVAL", "EVALSHA", "SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE", "TIME"];

/**
 * Which of our commands the user may not call. They are put into a transaction that is given up then: the server checks the
 * rights of each, and none of them takes effect. Undefined where transactions are not allowed.
 */
export async function deniedCommands(
  link: ServerLink,
  key: string,
): Promise<readonly Denial[] | undefined> {
  try {
    await link.send(["MULTI"]);
  } catch {
    return undefined;
  }
  const denials: Denial[] = [];
  for (const command of commandsOn(key)) {
    try {
      await link.send(command);
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== undefined) denials.push({ command: command[0] ?? "", reason });
    }
  }
  // It ends with the connection, where it may not be given up.
  await link.send(["DISCARD"]).catch(() => {});
  return denials;
}

function commandsOn(key: string): string[][] {
  return [
    ...Object.entries(COMMANDS_ON_KEYS).map(([command, rest]) => [command, key, ...rest]),
    ["EVAL", "return 1", "1", key],
    ["EVALSHA", "0".repeat(40), "1", key],
    ["SPUBLISH", key, ""],
    ["SSUBSCRIBE", key],
    ["SUNSUBSCRIBE", key],
    ["TIME"],
  ];
}

/** Undefined where it is something else: a full memory, a replica. */
function reasonOf(error: unknown): Denial["reason"] | undefined {
  const message = error instanceof Error ? error.message : "";
  if (!message.startsWith("NOPERM")) return undefined;
  if (/\bkeys?\b/.test(message)) return "key";
  return /\bchannels?\b/.test(message) ? "channel" : "command";
}
