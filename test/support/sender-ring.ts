import type { Job } from "../../src/protocol/job.ts";
import type { EndpointState } from "../../src/sender/figures.ts";
import type { Log } from "../../src/sender/ports/log.ts";
import { Sender } from "../../src/sender/sender.ts";
import type { SenderSettings } from "../../src/sender/settings.ts";
import { FakeClock } from "./fake-clock.ts";
import type { LogEntry } from "./ring.ts";
import {
  FakeDeliveryLog,
  FakeJobQueue,
  FakeTransport,
  TroubledJobQueue,
} from "./sender-doubles.ts";

export const TEST_SENDER_SETTINGS: SenderSettings = {
  slots: 100,
  endpointConcurrency: 16,
  maxJobAgeMs: 86_400_000,
  stopTimeoutMs: 5_000,
};

const STEP_MS = 50;

export interface SenderRingOptions {
  readonly settings?: Partial<SenderSettings>;
  readonly clock?: FakeClock;
  readonly queue?: FakeJobQueue;
  readonly random?: () => number;
  /** The test starts it itself. */
  readonly isStopped?: boolean;
}

/** A sender whose time, queue and outside world are the test's. Chance adds nothing, unless it is told to. */
export class SenderRing {
  readonly clock: FakeClock;
  readonly queue: FakeJobQueue;
  readonly troubled: TroubledJobQueue;
  readonly transport: FakeTransport;
  readonly log = new FakeDeliveryLog();
  readonly logged: LogEntry[] = [];
  readonly sender: Sender;
  #made = 0;

  constructor(options: SenderRingOptions = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.queue = options.queue ?? new FakeJobQueue(this.clock);
    this.troubled = new TroubledJobQueue(this.queue);
    this.transport = new FakeTransport(this.clock);
    this.sender = new Sender({
      settings: { ...TEST_SENDER_SETTINGS, ...options.settings },
      queue: this.troubled,
      log: this.log,
      transport: this.transport,
      clock: this.clock,
      logger: this.#recorder(),
      random: options.random ?? (() => 0),
      senderVersion: "1.2.3",
    });
    if (options.isStopped !== true) this.sender.start();
  }

  /** The app is the part of the endpoint's id before the slash. */
  job(endpointId = "1/w", changes: Partial<Job> = {}): Job {
    const [appId = "", webhookId = ""] = endpointId.split("/");
    const id = `job_${++this.#made}`;
    return {
      version: 1,
      id,
      appId,
      webhookId,
      method: "POST",
      url: urlOf(endpointId),
      headers: { "x-pusher-signature": "secret-of-the-header" },
      body: id,
      createdAtMs: this.clock.now(),
      events: ["channel_occupied"],
      timeoutMs: 4_000,
      retryWindowMs: 300_000,
      ...changes,
    };
  }

  jobs(count: number, endpointId?: string, changes?: Partial<Job>): Job[] {
    return Array.from({ length: count }, () => this.job(endpointId, changes));
  }

  /** Adds one job and answers it. */
  add(endpointId?: string, changes?: Partial<Job>): Job {
    const job = this.job(endpointId, changes);
    this.queue.add(job);
    return job;
  }

  addMany(count: number, endpointId?: string, changes?: Partial<Job>): Job[] {
    const jobs = this.jobs(count, endpointId, changes);
    this.queue.add(...jobs);
    return jobs;
  }

  /** Time passes, and whatever happens in it happens. */
  async run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      await happened();
      this.clock.advance(Math.min(left, STEP_MS));
    }
    await happened();
  }

  async runUntil(isDone: () => boolean, maxMs = 3_600_000): Promise<void> {
    const untilMs = this.clock.elapsedMs() + maxMs;
    await happened();
    while (!isDone()) {
      if (this.clock.elapsedMs() >= untilMs)
        throw new Error(`It did not come about in ${maxMs} ms.`);
      await this.run(STEP_MS);
    }
  }

  state(endpointId = "1/w"): EndpointState | undefined {
    return this.sender.endpointStates().find((state) => state.endpointId === endpointId);
  }

  messages(level: LogEntry["level"]): string[] {
    return this.logged.filter((entry) => entry.level === level).map(({ message }) => message);
  }

  #recorder(): Log {
    const at = (level: LogEntry["level"]) => (fields: object, message: string) => {
      this.logged.push({ level, fields, message });
    };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  }
}

export function urlOf(endpointId: string): string {
  return `https://example.com/${endpointId}?token=secret-of-the-query`;
}

/** Everything that was under way in memory has happened. */
export function happened(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
