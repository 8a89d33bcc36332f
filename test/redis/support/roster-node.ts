import type { Clock } from "../../../src/channels/ports/clock.ts";
import { RedisEventRecorder } from "../../../src/stores/redis/channels/event-recorder.ts";
import type { RedisConnection, Reply } from "../../../src/stores/redis/connection.ts";
import type { Keys } from "../../../src/stores/redis/keys.ts";
import { NodeRegistry } from "../../../src/stores/redis/channels/node-registry.ts";
import { PartitionWriters } from "../../../src/stores/redis/channels/partition-writers.ts";
import { Reaper } from "../../../src/stores/redis/channels/reaper.ts";
import { RedisRoster } from "../../../src/stores/redis/channels/roster.ts";
import { script } from "../../../src/stores/redis/script.ts";
import type { WebhookEvent } from "../../../src/protocol/webhook-event.ts";
import { recorder } from "../../support/ring.ts";

/** What one channels node has of the store. */
export interface RosterNode {
  readonly connection: RedisConnection;
  readonly writers: PartitionWriters;
  readonly registry: NodeRegistry;
  readonly reaper: Reaper;
  readonly roster: RedisRoster;
  readonly recorder: RedisEventRecorder;
}

export interface RosterNodeOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly time: () => string;
  readonly nodeTimeoutMs: number;
  readonly random?: () => number;
}

export function rosterNode(options: RosterNodeOptions): RosterNode {
  const { random = Math.random, nodeTimeoutMs, ...about } = options;
  const writers = new PartitionWriters({ ...about, random });
  const reaper = new Reaper(about);
  const log = recorder([]);
  return {
    connection: options.connection,
    writers,
    reaper,
    registry: new NodeRegistry({ ...about, writers, reaper, log, nodeTimeoutMs }),
    roster: new RedisRoster({ ...about, writers }),
    recorder: new RedisEventRecorder(writers),
  };
}

const READ_EVENTS = script("read-events", "return redis.call('XRANGE', KEYS[1], '-', '+')");

/** The event log as it stands, in the order of recording. */
export async function recordedEvents(
  connection: RedisConnection,
  keys: Keys,
): Promise<{ readonly appId: string; readonly event: WebhookEvent }[]> {
  const all: { at: number; appId: string; event: WebhookEvent }[] = [];
  for (let partition = 0; partition < keys.partitions; partition++) {
    const reply = await connection.run(READ_EVENTS, [keys.in(partition, "events")], []);
    for (const [id, fields] of reply as readonly (readonly Reply[])[]) {
      const [, appId = "", , json = ""] = fields as readonly string[];
      const at = Number.parseInt(String(id), 10);
      all.push({ at, appId, event: JSON.parse(json) as WebhookEvent });
    }
  }
  return all.toSorted((a, b) => a.at - b.at);
}
