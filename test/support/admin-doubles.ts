import { AdminApi, type AdminOptions } from "../../src/ops/admin/admin-api.ts";
import { Metrics } from "../../src/ops/metrics/metrics.ts";
import { OperationsServer } from "../../src/ops/operations-server.ts";
import type { App } from "../../src/protocol/app.ts";
import type { Job } from "../../src/protocol/job.ts";
import { endpointIdOf, type Webhook } from "../../src/protocol/webhook.ts";
import type { EndpointState } from "../../src/sender/figures.ts";
import type { Attempt } from "../../src/sender/ports/delivery-log.ts";
import type {
  DeadLetter,
  DeadLetterFilter,
  EndpointLoad,
  JobDesk,
  QueueFigures,
} from "../../src/sender/ports/job-desk.ts";
import { FileAppStore } from "../../src/stores/file/app-store.ts";
import { MemoryDeliveryLog } from "../../src/stores/memory/delivery-log.ts";
import { MemoryFleet } from "../../src/stores/memory/fleet.ts";
import { FakeClock } from "./fake-clock.ts";

/** The wall clock of these tests: 2026-01-31T12:00:00Z. */
export const NOW_MS = Date.UTC(2026, 0, 31, 12);

/** No answer may hold one of these. */
export const SECRETS = {
  header: "hush-header",
  urlPassword: "hush-url-password",
  urlQuery: "hush-url-query",
  body: "hush-body",
} as const;

export function testWebhook(changes: Partial<Webhook> = {}): Webhook {
  return {
    id: "orders",
    url: `https://user:${SECRETS.urlPassword}@hooks.example.com:8443/in?token=${SECRETS.urlQuery}`,
    events: ["channel_occupied", "channel_vacated"],
    channelPrefix: null,
    channelSuffix: "-live",
    headers: { "x-receiver-password": SECRETS.header },
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
    ...changes,
  };
}

export function testJob(changes: Partial<Job> = {}): Job {
  return {
    version: 1,
    id: "job_1",
    appId: "shop",
    webhookId: "orders",
    method: "POST",
    url: testWebhook().url,
    headers: { "x-receiver-password": SECRETS.header },
    body: `{"time_ms":1,"events":[{"name":"channel_occupied","channel":"${SECRETS.body}"}]}`,
    createdAtMs: NOW_MS - 600_000,
    events: ["channel_occupied"],
    timeoutMs: 4_000,
    retryWindowMs: 300_000,
    ...changes,
  };
}

export function testAttempt(changes: Partial<Attempt> = {}): Attempt {
  return {
    atMs: NOW_MS - 60_000,
    appId: "shop",
    webhookId: "orders",
    jobId: "job_1",
    events: ["channel_occupied"],
    attempt: 1,
    result: "delivered",
    status: 200,
    durationMs: 12,
    ageMs: 34,
    detail: null,
    senderVersion: "0.1.0",
    ...changes,
  };
}

/** Keeps what it is given, and does to its jobs no more than people do. */
export class FakeDesk implements JobDesk {
  readonly loads = new Map<string, EndpointLoad>();
  readonly added: Job[] = [];
  letters: DeadLetter[] = [];
  failing = false;
  /** Called with each job that is added. */
  onAdd: (job: Job) => void = () => {};

  hold(load: Partial<EndpointLoad>): void {
    const full = { ...idleLoad("shop", "orders"), ...load };
    this.loads.set(endpointIdOf(full.appId, full.webhookId), full);
  }

  bury(job: Job, changes: Partial<DeadLetter> = {}): void {
    const letter = { job, reason: "retry window over", attempts: 7, buriedAtMs: NOW_MS };
    this.letters.push({ ...letter, ...changes });
  }

  figures(): Promise<QueueFigures> {
    if (this.failing) return Promise.reject(new Error(`the disk is full of ${SECRETS.body}`));
    const { length: dead } = this.letters;
    const figures = {
      due: 4,
      deliverable: 4,
      leased: 3,
      delayed: 2,
      dead,
      oldestDueMs: 1_500,
      pausedEndpoints: 1,
    };
    return Promise.resolve(figures);
  }

  endpoints(): Promise<readonly EndpointLoad[]> {
    return Promise.resolve([...this.loads.values()]);
  }

  add(job: Job): Promise<boolean> {
    this.added.push(job);
    this.onAdd(job);
    return Promise.resolve(true);
  }

  pause(endpointId: string, reason: string): Promise<void> {
    const [appId = "", webhookId = ""] = endpointId.split("/");
    const load = this.loads.get(endpointId) ?? idleLoad(appId, webhookId);
    this.hold({ ...load, paused: { reason, sinceMs: NOW_MS } });
    return Promise.resolve();
  }

  resume(endpointId: string): Promise<boolean> {
    const load = this.loads.get(endpointId);
    if (load === undefined || load.paused === null) return Promise.resolve(false);
    this.hold({ ...load, paused: null });
    return Promise.resolve(true);
  }

  deadLetters(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetter[]> {
    const found = this.letters.filter((letter) => selects(filter, letter));
    return Promise.resolve(
      found.toSorted((one, other) => other.buriedAtMs - one.buriedAtMs).slice(0, limit),
    );
  }

  replay(filter: DeadLetterFilter): Promise<number> {
    const before = this.letters.length;
    this.letters = this.letters.filter((letter) => !selects(filter, letter));
    return Promise.resolve(before - this.letters.length);
  }

  prune(): Promise<number> {
    return Promise.resolve(0);
  }
}

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: object;
  readonly message: string;
}

export interface AdminServerOptions {
  readonly apps?: readonly App[];
  readonly token?: string | null;
  readonly host?: string;
  readonly senderStates?: AdminOptions["senderStates"];
}

/** A real operations server in this process, on a free port, over stores in memory. */
export class AdminServer implements AsyncDisposable {
  readonly desk = new FakeDesk();
  readonly deliveries = new MemoryDeliveryLog(new FakeClock(NOW_MS));
  readonly fleet = new MemoryFleet(new FakeClock(NOW_MS));
  readonly apps: FileAppStore;
  readonly lines: LogLine[] = [];
  readonly port: number;
  readonly #server: OperationsServer;
  readonly #metrics = new Metrics({
    version: "0",
    descriptors: { limit: 1, sockets: 1, isLow: false },
    maxConnections: 1,
    tenants: () => [],
    state: () => "ready",
    cacheBytes: () => 0,
    connections: () => 0,
    drainWindowLeftMs: () => 0,
    overrunMs: () => 0,
    configurationOk: () => true,
    database: () => ({ waiting: 0, isWell: true }),
    redis: () => undefined,
    events: () => Promise.resolve({ events: 0, oldestEventMs: 0 }),
    workload: () => Promise.reject(new Error("nobody asks")),
    packager: () => undefined,
    sender: () => undefined,
  });
  #jobs = 0;

  constructor({
    apps = [],
    token = null,
    host = "127.0.0.1",
    senderStates,
  }: AdminServerOptions = {}) {
    this.apps = new FileAppStore(apps);
    const to = (level: LogLine["level"]) => (fields: object, message: string) =>
      void this.lines.push({ level, fields, message });
    const { desk, deliveries, fleet } = this;
    const admin = new AdminApi({
      token,
      log: { debug: to("debug"), info: to("info"), warn: to("warn"), error: to("error") },
      apps: this.apps,
      desk,
      deliveries,
      fleet,
      senderStates,
      testJob: (app, webhook) =>
        testJob({ id: `job_test_${++this.#jobs}`, appId: app.id, webhookId: webhook.id }),
      now: () => NOW_MS,
    });
    const { port } = (this.#server = new OperationsServer({
      host,
      port: 0,
      metrics: this.#metrics,
      state: () => "ready",
      stuck: () => [],
      troubles: () => [],
      admin: () => admin,
    }));
    this.port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { headers });
  }

  post(path: string, body: unknown): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
    this.#metrics.close();
  }
}

/** An endpoint as its sender sees it when all is well. */
export function senderState(changes: Partial<EndpointState> = {}): EndpointState {
  return {
    endpointId: "shop/orders",
    breaker: "closed",
    inFlight: 0,
    limit: 4,
    consecutiveFailures: 0,
    ...changes,
  };
}

function idleLoad(appId: string, webhookId: string): EndpointLoad {
  const url = testWebhook().url;
  return { appId, webhookId, url, due: 0, leased: 0, delayed: 0, dead: 0, paused: null };
}

function selects(filter: DeadLetterFilter, { job, buriedAtMs }: DeadLetter): boolean {
  return (
    (filter.appId ?? job.appId) === job.appId &&
    (filter.webhookId ?? job.webhookId) === job.webhookId &&
    (filter.jobId ?? job.id) === job.id &&
    isWithin(filter, buriedAtMs)
  );
}

function isWithin(
  {
    sinceMs = -Infinity,
    untilMs = Infinity,
  }: { readonly sinceMs?: number | undefined; readonly untilMs?: number | undefined },
  timeMs: number,
): boolean {
  return timeMs >= sinceMs && timeMs < untilMs;
}
