import type { RedisServer } from "../../support/redis-server.ts";

const OWNERS = `
  local time = redis.call('TIME')
  local owners = {}
  for _, key in ipairs(redis.call('KEYS', '*}:owner')) do
    local owner = redis.call('HMGET', key, 'owner', 'until')
    if owner[1] then table.insert(owners, owner[1] .. ' ' .. owner[2]) end
  end
  return {time[1] .. string.sub(string.format('%06d', time[2]), 1, 3), owners}`;

/** Who has which part of the event log, as it stands in Redis (docs/specs/event-log-redis.md). */
export interface Owners {
  /** Of Redis' clock. */
  readonly nowMs: number;
  readonly partitions: number;
  /** By packager, when its time would be over if it were heard of no more. */
  readonly untilMs: ReadonlyMap<string, number>;
}

export async function ownersIn(redis: RedisServer): Promise<Owners> {
  const [now, owners] = (await redis.command("EVAL", OWNERS, "0")) as [string, readonly string[]];
  const untilMs = new Map<string, number>();
  for (const text of owners) {
    const [packager = "", until = ""] = text.split(" ");
    untilMs.set(packager, Math.max(untilMs.get(packager) ?? 0, Number(until)));
  }
  return { nowMs: Number(now), partitions: owners.length, untilMs };
}
