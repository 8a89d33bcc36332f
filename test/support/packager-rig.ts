import { Packager } from "../../src/packager/packager.ts";
import type { LoggedEvent } from "../../src/packager/ports/event-log.ts";
import type { App } from "../../src/protocol/app.ts";
import type { Job } from "../../src/protocol/job.ts";
import { WEBHOOK_EVENT_NAMES, type WebhookEvent } from "../../src/protocol/webhook-event.ts";
import type { Webhook } from "../../src/protocol/webhook.ts";
import { MemoryEventLog } from "../../src/stores/memory/event-log.ts";
import { testApp } from "./apps.ts";
import { FakeClock } from "./fake-clock.ts";
import { settled } from "./ring.ts";
import { TroubledEventLog } from "./troubled-event-log.ts";

/** A webhook that wants everything. */
export function testWebhook(changes: Partial<Webhook> = {}): Webhook {
  return {
    id: "w",
    url: "https://example.com/hook",
    events: WEBHOOK_EVENT_NAMES,
    channelPrefix: null,
    channelSuffix: null,
    headers: {},
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
    ...changes,
  };
}

/** An app with one webhook that wants everything, each event by itself. */
export function webhookApp(changes: Parameters<typeof testApp>[0] = {}): App {
  return testApp({ webhooks: [testWebhook()], batchWebhooks: false, ...changes });
}

/** An event as the log would give it. */
export function loggedEvent(
  sequence: number,
  event: WebhookEvent,
  changes: Partial<LoggedEvent> = {},
): LoggedEvent {
  return {
    id: `log-${sequence}`,
    sequence,
    atMs: 0,
    appId: "3",
    channel: event.channel,
    name: event.name,
    userId: event.name.startsWith("member_") && "user_id" in event ? event.user_id : undefined,
    json: JSON.stringify(event),
    handledFor: [],
    ...changes,
  };
}

export function occupied(channel = "c"): WebhookEvent {
  return { name: "channel_occupied", channel };
}

export function vacated(channel = "c"): WebhookEvent {
  return { name: "channel_vacated", channel };
}

export function added(userId: string, channel = "presence-c"): WebhookEvent {
  return { name: "member_added", channel, user_id: userId };
}

export function removed(userId: string, channel = "presence-c"): WebhookEvent {
  return { name: "member_removed", channel, user_id: userId };
}

export function clientEvent(data: string, channel = "private-c"): WebhookEvent {
  return { name: "client_event", channel, event: "client-e", data, socket_id: "1.2" };
}

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** The events that the job tells, and when it was made. */
export function bodyOf(job: Job): { readonly time_ms: number; readonly events: WebhookEvent[] } {
  return JSON.parse(job.body) as { time_ms: number; events: WebhookEvent[] };
}

/** A packager at a log in memory, with a clock that a test moves; and its successors, when it dies. */
export class PackagerRig {
  readonly clock = new FakeClock();
  readonly jobs: Job[] = [];
  readonly lines: LogLine[] = [];
  readonly journal: MemoryEventLog;
  readonly apps = new Map<string, App>();
  log: TroubledEventLog;
  packager: Packager;

  constructor(apps: readonly App[] = [webhookApp()], partitions = 1) {
    this.setApps(...apps);
    this.journal = MemoryEventLog.partitioned(partitions, this.clock, (jobs) =>
      this.jobs.push(...jobs),
    );
    this.log = new TroubledEventLog(this.journal.another());
    this.packager = this.#newPackager();
  }

  static async started(apps?: readonly App[], partitions?: number): Promise<PackagerRig> {
    const rig = new PackagerRig(apps, partitions);
    rig.packager.start();
    await rig.pass(0);
    return rig;
  }

  setApps(...apps: readonly App[]): void {
    this.apps.clear();
    for (const app of apps) this.apps.set(app.id, app);
  }

  record(...events: readonly WebhookEvent[]): void {
    this.journal.record("3", events);
  }

  /** Time passes, in steps that let what was begun come to its end. */
  async pass(ms: number, stepMs = 1): Promise<void> {
    await settled();
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      await settled();
    }
    this.clock.advance(0);
    await settled();
  }

  /** The process is killed: its packager does nothing more, and what it owned is free. */
  async crash(): Promise<void> {
    const { packager, log } = this;
    log.fail("settle", new Error("The process is dead."));
    log.fail("read", new Error("The process is dead."));
    log.hang("own");
    void packager.close();
    await log.inner.release();
  }

  /** A new process takes its place. */
  async restart(): Promise<void> {
    await this.crash();
    this.log = new TroubledEventLog(this.journal.another());
    this.packager = this.#newPackager();
    this.packager.start();
  }

  /** Names of the events told, job by job. */
  told(): string[][] {
    return this.jobs.map(({ events }) => [...events]);
  }

  /** What the log still has, and nobody settled. The packager is drained for it. */
  async leftovers(): Promise<LoggedEvent[]> {
    await this.packager.drain();
    const reader = this.journal.another();
    const left: LoggedEvent[] = [];
    for (const ownership of await reader.own())
      left.push(...(await reader.read(ownership, 0, 1_000_000)));
    await reader.release();
    return left;
  }

  linesOf(level: LogLine["level"]): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }

  #newPackager(): Packager {
    const note = (level: LogLine["level"]) => (fields: object, message: string) =>
      void this.lines.push({ level, fields: { ...fields }, message });
    return new Packager({
      events: this.log,
      apps: { byId: (id) => this.apps.get(id) },
      clock: this.clock,
      log: { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") },
    });
  }
}
