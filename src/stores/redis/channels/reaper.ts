import type { RedisConnection } from "../connection.ts";
import { differences, readFirstPage } from "./inventory.ts";
import type { Keys } from "../keys.ts";
import burySource from "../lua/bury.lua" with { type: "text" };
import condemnSource from "../lua/condemn.lua" with { type: "text" };
import { BATCH_OPERATIONS, WRITE } from "./partition-writer.ts";
import { Said } from "./said.ts";
import { script } from "../script.ts";
import type { StoreTime } from "../time.ts";

const CONDEMN = script("condemn", condemnSource);
const BURY = script("bury", burySource);
const NOTHING = new Said();
/** Longer than a process stands still that wakes up again. */
const REMEMBERED_MS = 60 * 60 * 1_000;

export interface ReaperDependencies {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly time: StoreTime;
}

/**
 * Withdraws what a dead node held, as if it had said so itself, from its own index in each partition: what other nodes hold
 * is not looked at. In slices, so that the server and this process do other things in between.
 *
 * Two that clean up after the same node do no harm, nor does one that stops halfway and is followed by another. A node that
 * was taken for dead and lives joins the partition again, and from then on nobody else may speak for it there.
 */
export class Reaper {
  readonly #dependencies: ReaperDependencies;

  constructor(dependencies: ReaperDependencies) {
    this.#dependencies = dependencies;
  }

  /** Rejects with `RedisFault` when it could not be finished. */
  async reap(nodeId: string): Promise<void> {
    for (let partition = 0; partition < this.#dependencies.keys.partitions; partition++)
      await this.#reapIn(partition, nodeId);
  }

  async #reapIn(partition: number, nodeId: string): Promise<void> {
    const { connection, keys } = this.#dependencies;
    const nodeKeys = [keys.in(partition, "nodes"), keys.in(partition, `node:${nodeId}`)];
    const condemnKeys = [...nodeKeys, keys.in(partition, `last:${nodeId}`)];
    if ((await connection.run(CONDEMN, condemnKeys, [nodeId, `${REMEMBERED_MS}`])) === 0) return;
    do {
      const inventory = await readFirstPage(connection, keys, partition, nodeId);
      const operations = differences(NOTHING, inventory);
      // What is left is of a kind that only a newer version knows.
      if (operations.length === 0 && inventory.size > 0) return;
      for (let i = 0; i < operations.length; i += BATCH_OPERATIONS) {
        const args = operations.slice(i, i + BATCH_OPERATIONS);
        if (!(await this.#write(partition, nodeId, args))) return;
      }
    } while ((await connection.run(BURY, nodeKeys, [nodeId])) === 0);
  }

  /** False when the node lives. */
  async #write(
    partition: number,
    nodeId: string,
    operations: readonly (readonly string[])[],
  ): Promise<boolean> {
    const { connection, keys, time } = this.#dependencies;
    const head = [time(), keys.in(partition, ""), nodeId, "reaping"];
    const args = head.concat(...operations);
    const reply = await connection.run(WRITE, [keys.in(partition, "nodes")], args);
    return reply !== null;
  }
}
