import type { Ownership } from "../../../src/packager/ports/event-log.ts";
import { JOB_VERSION, type Job } from "../../../src/protocol/job.ts";
import type { WebhookEvent } from "../../../src/protocol/webhook-event.ts";
import type { RedisConnection, Reply } from "../../../src/stores/redis/connection.ts";
import { RedisEventLog } from "../../../src/stores/redis/packager/event-log.ts";
import { Keys } from "../../../src/stores/redis/keys.ts";
import { script } from "../../../src/stores/redis/script.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { rosterNode, type RosterNode } from "./roster-node.ts";
import { troubled, type Trouble } from "./troubled-connection.ts";

export const OWNER_TIMEOUT_MS = 10_000;

const COMMAND = script("command", "return redis.call(unpack(ARGV))");
const FIND = script("find", "return redis.call('KEYS', ARGV[1])");

/** A call of a script, on its way. */
export interface Call {
  readonly name: string;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

export interface Packager {
  readonly id: string;
  readonly log: RedisEventLog;
  readonly connection: RedisConnection;
  /** Every call so far, whatever came of it. */
  readonly calls: Call[];
  /** What happens to calls from now on. */
  trouble: (call: Call) => Trouble;
  /** What happens to jobs on their way to the queue from now on: it throws, or waits. */
  adding: (jobs: readonly Job[]) => Promise<void>;
}

/** A queue that remembers what came into it, and how often. */
export class QueueDouble {
  readonly jobs: Job[] = [];
  readonly times = new Map<string, number>();

  add(jobs: readonly Job[]): void {
    for (const job of jobs) {
      const times = this.times.get(job.id) ?? 0;
      this.times.set(job.id, times + 1);
      if (times === 0) this.jobs.push(job);
    }
  }

  get ids(): string[] {
    return this.jobs.map(({ id }) => id);
  }
}

let made = 0;

/** The event log of any number of packagers, one queue, and a clock that stands still until it is moved. */
export class EventLogRig {
  readonly clock = new FakeClock();
  readonly queue = new QueueDouble();
  readonly keys: Keys;
  readonly packagers: Packager[] = [];
  readonly #connection: RedisConnection;
  readonly #node: RosterNode;

  constructor(connection: RedisConnection, partitions: number) {
    this.keys = new Keys(`rig${++made}`, partitions);
    this.#connection = connection;
    this.#node = rosterNode({
      connection,
      keys: this.keys,
      clock: this.clock,
      time: this.time,
      nodeId: "n",
      nodeTimeoutMs: 60_000,
    });
  }

  readonly time = (): string => `${this.clock.now()}`;

  packager(clock = this.clock): Packager {
    const id = `packager-${this.packagers.length}`;
    const calls: Call[] = [];
    const connection: RedisConnection = {
      ...troubled(this.#connection, () => undefined),
      run: (called, keys, args) => {
        const call = { name: called.name, keys, args };
        calls.push(call);
        return troubled(this.#connection, () => packager.trouble(call)).run(called, keys, args);
      },
    };
    const log = new RedisEventLog({
      connection,
      keys: this.keys,
      clock,
      time: this.time,
      packagerId: id,
      ownerTimeoutMs: OWNER_TIMEOUT_MS,
      addJobs: async (jobs) => {
        await packager.adding(jobs);
        this.queue.add(jobs);
      },
    });
    const packager: Packager = {
      id,
      log,
      connection,
      calls,
      trouble: () => undefined,
      adding: async () => {},
    };
    this.packagers.push(packager);
    return packager;
  }

  /** Resolves when it can be read. */
  async record(...events: readonly WebhookEvent[]): Promise<void> {
    await Promise.all(events.map((event) => this.#node.recorder.append("1", event)));
  }

  /** One command of the server. */
  command(key: string, ...command: readonly string[]): Promise<Reply> {
    return this.#connection.run(COMMAND, [key], command);
  }

  /** The keys that are left of that name, of all partitions. */
  async keysOf(name: string): Promise<readonly string[]> {
    const pattern = `${this.keys.prefix}:{*}:${name}`;
    return (await this.#connection.run(FIND, [], [pattern])) as readonly string[];
  }

  /** A channel of the app that the events are of, in that partition. */
  channelIn(partition: number): string {
    for (let i = 0; ; i++) {
      const channel = `private-${i}`;
      if (this.keys.partitionOf("1", channel) === partition) return channel;
    }
  }

  close(): void {
    this.#node.writers.close();
  }
}

export function clientEvent(number: number, channel = "private-c"): WebhookEvent {
  return { name: "client_event", channel, event: "client-e", data: `${number}`, socket_id: "1.2" };
}

export function testJob(id: string, changes: Partial<Job> = {}): Job {
  return {
    version: JOB_VERSION,
    id,
    appId: "1",
    webhookId: "w",
    method: "POST",
    url: "https://example.com/hook",
    headers: {},
    body: "{}",
    createdAtMs: 1_750_000_000_000,
    events: ["client_event"],
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
    ...changes,
  };
}

export function partitionsOf(owned: readonly Ownership[]): number[] {
  return owned.map(({ partition }) => partition).toSorted((a, b) => a - b);
}

/** Where there is but one partition. */
export async function onlyOwnership(packager: Packager): Promise<Ownership> {
  const [ownership] = await packager.log.own();
  if (ownership === undefined) throw new Error("The partition is another's.");
  return ownership;
}

export async function outcome(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => "resolved",
    (error: unknown) => error,
  );
}

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 3_000; i++) {
    if (await isSo()) return;
    await Bun.sleep(5);
  }
  throw new Error("It does not come about.");
}
