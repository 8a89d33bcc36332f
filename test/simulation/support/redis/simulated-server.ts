import type { Script } from "../../../../src/stores/redis/script.ts";
import { runScript } from "../lua/program.ts";
import { toBytes } from "./bytes.ts";
import { execute, tagOf } from "./commands/commands.ts";
import { Keyspace } from "./keyspace.ts";
import type { RawReply } from "./reply.ts";

export interface ServerSurroundings {
  /** The time of its clock. */
  nowUs(): number;
  /** In [0, 1). */
  random(): number;
  /** Somebody's message, in bytes; answers how many will get it. */
  publish(channel: string, message: string): number;
  /** A command of a script was done. */
  command?(name: string, args: readonly string[]): void;
}

/** A Redis server, but for the network: data, and scripts that work on it one after the other. */
export class SimulatedServer {
  readonly db = new Keyspace();
  readonly #surroundings: ServerSurroundings;

  constructor(surroundings: ServerSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Throws what the script, or a command of it, throws; what it did before then stays. */
  run(script: Script, keys: readonly string[], args: readonly string[]): RawReply {
    const { random, publish, command, nowUs } = this.#surroundings;
    this.db.nowUs = nowUs();
    const tag = tagOf(keys.map(toBytes));
    const surroundings = { db: this.db, random, publish };
    return runScript(script, keys, args, (name, commandArgs) => {
      const reply = execute(surroundings, tag, name, commandArgs);
      command?.(name, commandArgs);
      return reply;
    });
  }

  /** Another server, with the data of this one as it is now. */
  replica(): Keyspace {
    const replica = new Keyspace();
    replica.become(this.db);
    return replica;
  }
}
