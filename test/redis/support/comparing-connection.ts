import type { RedisConnection, Reply } from "../../../src/stores/redis/connection.ts";
import type { Script } from "../../../src/stores/redis/script.ts";
import { RedisPair, type Outcome } from "./redis-pair.ts";

/** Replies without an order: how many come before the first item, and of how many parts an item is. */
const UNORDERED: Readonly<Record<string, readonly [head: number, parts: number]>> = {
  channel: [1, 2],
  channels: [1, 3],
  inventory: [1, 3],
  "endpoint-loads": [1, 1],
  "due-endpoints": [1, 1],
  outbox: [0, 1],
  present: [0, 1],
};

/** Runs each script on a real server and on a simulated one, notes where they differ, and answers as the real one. */
export class ComparingConnection implements RedisConnection {
  readonly isWell = true;
  readonly differences: object[] = [];
  readonly scripts = new Set<string>();
  readonly #pair: RedisPair;
  #underWay = 0;

  constructor(real: RedisConnection, prefix: string) {
    this.#pair = new RedisPair(real, prefix);
  }

  /** Resolves when nothing is asked any more, nor what follows from the answers. */
  async rest(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet = this.#underWay === 0 ? quiet + 1 : 0)
      await new Promise((resolve) => setImmediate(resolve));
  }

  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    this.scripts.add(script.name);
    this.#underWay++;
    const { real, simulated } = await this.#pair.run(script, keys, args);
    this.#underWay--;
    if (!Bun.deepEquals(comparable(script.name, real), comparable(script.name, simulated)))
      this.differences.push({ script: script.name, keys, args, real, simulated });
    if ("error" in real) throw new Error(`${script.name}: ${real.error}`);
    return real.reply;
  }

  dumps(): ReturnType<RedisPair["dumps"]> {
    return this.#pair.dumps();
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  subscriber(): never {
    throw new Error("nobody listens here");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function comparable(name: string, outcome: Outcome): Outcome {
  return inOrder(name, withoutTime(name, outcome));
}

/** Two servers do not look at the very same time. */
function withoutTime(name: string, outcome: Outcome): Outcome {
  if (name !== "get-cached" || "error" in outcome || !Array.isArray(outcome.reply)) return outcome;
  return { reply: outcome.reply.slice(0, 1) };
}

function inOrder(name: string, outcome: Outcome): Outcome {
  const [head, parts] = UNORDERED[name] ?? [0, 0];
  if (parts === 0 || "error" in outcome || !Array.isArray(outcome.reply)) return outcome;
  const items = outcome.reply as readonly Reply[];
  const groups: Reply[][] = [];
  for (let i = head; i < items.length; i += parts) groups.push(items.slice(i, i + parts));
  groups.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
  return { reply: [...items.slice(0, head), ...groups] };
}
