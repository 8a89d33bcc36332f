import { RedisError, type RawReply } from "../reply.ts";
import type { Command, Surroundings } from "./command.ts";
import { wrongNumber } from "./command.ts";
import { HASH_COMMANDS } from "./hash-commands.ts";
import { KEY_COMMANDS } from "./key-commands.ts";
import { LIST_COMMANDS } from "./list-commands.ts";
import { SET_COMMANDS } from "./set-commands.ts";
import { STREAM_COMMANDS } from "./stream-commands.ts";
import { STRING_COMMANDS } from "./string-commands.ts";
import { ZSET_COMMANDS } from "./zset-commands.ts";

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  [
    KEY_COMMANDS,
    STRING_COMMANDS,
    HASH_COMMANDS,
    SET_COMMANDS,
    LIST_COMMANDS,
    ZSET_COMMANDS,
    STREAM_COMMANDS,
  ].flatMap(Object.entries<Command>),
);

export const COMMAND_NAMES: readonly string[] = [...COMMANDS.keys()];

/**
 * Does a command of a script whose keys have that hash tag. A key with another is in another slot, on a Cluster: the script
 * would fail there.
 */
export function execute(
  surroundings: Surroundings,
  tag: string | undefined,
  name: string,
  args: readonly string[],
): RawReply {
  const command = COMMANDS.get(name) ?? COMMANDS.get(name.toUpperCase());
  if (command === undefined) throw new Error(`The simulated Redis has no ${name}.`);
  const [least, most] = command.args;
  if (args.length < least || args.length > most) throw wrongNumber();
  if (command.keys !== "none") {
    const keys = { first: 1, "first-two": 2, all: args.length }[command.keys];
    for (let i = 0; i < keys; i++) {
      const key = args[i] ?? "";
      if (hashTag(key) !== tag)
        throw new RedisError(`CROSSSLOT ${name} of ${key}, which is not in the slot of KEYS`);
    }
  }
  return command.run(surroundings, args);
}

/** The tag that all of the keys have; undefined where there are none. */
export function tagOf(keys: readonly string[]): string | undefined {
  const [first, ...others] = keys;
  if (first === undefined) return undefined;
  const tag = hashTag(first);
  if (others.some((key) => hashTag(key) !== tag))
    throw new RedisError("CROSSSLOT Keys in request don't hash to the same slot");
  return tag;
}

/** What of a key decides its slot. */
export function hashTag(key: string): string {
  const open = key.indexOf("{");
  if (open === -1) return key;
  const close = key.indexOf("}", open + 1);
  return close <= open + 1 ? key : key.slice(open + 1, close);
}
