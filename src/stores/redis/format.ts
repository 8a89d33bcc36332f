import { RedisFault, type RedisConnection } from "./connection.ts";
import { Keys } from "./keys.ts";
import openSource from "./lua/open-store.lua" with { type: "text" };
import { script } from "./script.ts";

const OPEN = script("open-store", openSource);

/**
 * The version of what is stored. It is raised with every change of it; `READABLE_BY` with those alone that a program of an
 * older format would do harm with. Between such changes nodes of both versions work on one store.
 */
export const FORMAT = 1;
const READABLE_BY = 1;

/** The keys of the store, which is made if it is new. Rejects with `RedisFault`, "refused" where this program is too old. */
export async function openFormat(
  connection: RedisConnection,
  prefix: string,
  partitions: number,
): Promise<Keys> {
  const meta = new Keys(prefix, partitions).nodes("meta");
  const args = [FORMAT, READABLE_BY, partitions].map(String);
  const reply = await connection.run(OPEN, [meta], args);
  const [format, readableBy, stored] = (reply as readonly string[]).map(Number);
  if (readableBy === undefined || FORMAT < readableBy)
    throw new RedisFault(
      "refused",
      `The store under ${prefix} has the format ${format}, which this version cannot read. Start a newer version, or give ` +
        "another redis.keyPrefix.",
    );
  return new Keys(prefix, stored ?? partitions);
}
