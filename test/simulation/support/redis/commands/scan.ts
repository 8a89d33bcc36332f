import { RedisError } from "../reply.ts";
import { integer, syntaxError } from "./command.ts";

const DEFAULT_COUNT = 10;

/**
 * A page of a hash or set that may change between pages: what is there all the time comes at least once. The cursor is a
 * place in the order of the items' hashes, which no change moves.
 */
export function scan(
  find: () => Iterable<string> | undefined,
  cursor: string | undefined,
  options: readonly string[],
): readonly [next: string, page: readonly string[]] {
  if (cursor === undefined || !/^\d+$/.test(cursor)) throw new RedisError("ERR invalid cursor");
  const found = find();
  // What is not there is answered before the options are looked at.
  if (found === undefined) return ["0", []];
  const items = [...found];
  const count = countOf(options);
  const from = Number(cursor);
  if (from === 0 && items.length <= count) return ["0", items];
  const hashed = items
    .map((item) => ({ item, hash: Bun.hash.crc32(item) }))
    .filter(({ hash }) => hash >= from)
    .sort((a, b) => a.hash - b.hash);
  let end = Math.min(count, hashed.length);
  // Items of one hash stay together.
  while (end > 0 && end < hashed.length && hashed[end]?.hash === hashed[end - 1]?.hash) end++;
  const next = hashed[end]?.hash ?? 0;
  return [`${next}`, hashed.slice(0, end).map(({ item }) => item)];
}

function countOf(options: readonly string[]): number {
  if (options.length === 0) return DEFAULT_COUNT;
  if (options.length !== 2) throw syntaxError();
  if (options[0]?.toUpperCase() !== "COUNT")
    throw new Error(`the simulated Redis scans without ${options[0]}`);
  const count = integer(options[1]);
  if (count < 1) throw syntaxError();
  return count;
}
