import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Job } from "../../src/protocol/job.ts";
import type { JobOutcome, Lease } from "../../src/sender/ports/job-queue.ts";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { RedisDeliveryLog } from "../../src/stores/redis/sender/delivery-log.ts";
import { RedisFleet } from "../../src/stores/redis/sender/fleet.ts";
import { RedisJobDesk } from "../../src/stores/redis/sender/job-desk.ts";
import { RedisJobQueue } from "../../src/stores/redis/sender/job-queue.ts";
import { JOB_SCRIPTS } from "../../src/stores/redis/sender/job-scripts.ts";
import { RedisJobs } from "../../src/stores/redis/sender/jobs.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { leaseFrom, testJob } from "../conformance/job-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { connectPlainly, startRedis } from "../support/plain-redis.ts";
import { ComparingConnection } from "./support/comparing-connection.ts";

let server: Awaited<ReturnType<typeof startRedis>>;
let connection: RedisConnection;
beforeAll(async () => {
  server = await startRedis();
  connection = await connectPlainly(server.port);
});
afterAll(async () => {
  await connection.close();
  await server.stop();
});

const place = fc.constantFrom("1/a", "1/b", "2/ä b");
const which = fc.nat(20);
const ms = fc.constantFrom(0, 1, 700, 5_000);
const outcome: fc.Arbitrary<JobOutcome> = fc.oneof(
  fc.constant({ kind: "delivered" } as const),
  fc.record({ kind: fc.constant("retry" as const), delayMs: ms, spentMs: ms }),
  fc.record({ kind: fc.constant("returned" as const), delayMs: ms }),
  fc.record({
    kind: fc.constant("buried" as const),
    reason: fc.constantFrom("", "gave up", "ü\n"),
    attempts: fc.nat(3),
    spentMs: ms,
  }),
);

type Step =
  | { readonly kind: "add"; readonly place: string; readonly which: number }
  | { readonly kind: "unreadable"; readonly place: string }
  | { readonly kind: "lease"; readonly max: number; readonly leaseMs: number }
  | { readonly kind: "settle"; readonly which: number; readonly outcome: JobOutcome }
  | { readonly kind: "renew"; readonly which: number }
  | { readonly kind: "wait" | "jump"; readonly ms: number }
  | { readonly kind: "pause" | "resume" | "expire" | "replay"; readonly place: string }
  | { readonly kind: "prune" | "look" | "record" }
  | { readonly kind: "report" | "withdraw"; readonly which: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("add"), place, which } as const) },
  fc.record({ kind: fc.constant("unreadable"), place } as const),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("lease"),
      max: fc.nat(4),
      leaseMs: fc.constantFrom(1, 1_000, 30_000),
    } as const),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("settle"), which, outcome } as const) },
  fc.record({ kind: fc.constant("renew"), which } as const),
  fc.record({ kind: fc.constantFrom("wait", "jump"), ms } as const),
  fc.record({ kind: fc.constantFrom("pause", "resume", "expire", "replay"), place } as const),
  fc.record({ kind: fc.constantFrom("prune", "look", "record") } as const),
  fc.record({ kind: fc.constantFrom("report", "report", "withdraw"), which: fc.nat(2) } as const),
);

describe("the queue's scripts on the simulated Redis", () => {
  let made = 0;
  const seen = new Set<string>();

  test("answer as on a real server, and leave the same keys", () =>
    fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 60 }), async (all) => {
        const keys = new Keys(`q${++made}`, 1);
        const both = new ComparingConnection(connection, `${keys.prefix}:`);
        const world = new World(both, keys);
        for (const each of all) {
          await world.do(each);
          expect(both.differences).toEqual([]);
        }
        const { real, simulated } = await both.dumps();
        expect(simulated).toEqual(real);
        for (const name of both.scripts) seen.add(name);
      }),
      { numRuns: 120 },
    ));

  test("are all compared", () => {
    const attempts = ["record", "read", "sum", "tally", "prune"].map((verb) => `${verb}-attempts`);
    const fleet = ["report-sender", "senders", "withdraw-sender"];
    const names = [...Object.values(JOB_SCRIPTS).map(({ name }) => name), ...attempts, ...fleet];
    expect([...seen].toSorted()).toEqual(names.toSorted());
  });
});

/** One process that does one thing after the other. */
class World {
  readonly #clock = new FakeClock();
  readonly #jobs: RedisJobs;
  readonly #queue: RedisJobQueue;
  readonly #desk: RedisJobDesk;
  readonly #log: RedisDeliveryLog;
  readonly #fleet: RedisFleet;
  readonly #leases: Lease[] = [];
  #unreadable = 0;

  constructor(both: ComparingConnection, keys: Keys) {
    this.#jobs = new RedisJobs(both, keys, () => `${this.#clock.now()}`);
    this.#queue = new RedisJobQueue(both, this.#jobs, this.#clock);
    this.#desk = new RedisJobDesk(this.#jobs);
    this.#log = new RedisDeliveryLog(both, keys, this.#clock);
    this.#fleet = new RedisFleet(both, keys, () => `${this.#clock.now()}`);
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case "add":
        await this.#desk.add(jobOf(step.place, step.which));
        return;
      case "unreadable":
        await this.#jobs.put([
          {
            id: `bad ${this.#unreadable++}`,
            endpointId: step.place,
            version: 1,
            url: "",
            retryWindowMs: 0,
            waitsSinceMs: undefined,
            json: "{ü\n",
            body: undefined,
          },
        ]);
        return;
      case "lease": {
        const leased = await leaseFrom(this.#queue, step);
        this.#leases.unshift(...leased.map(({ lease }) => lease));
        return;
      }
      case "settle": {
        const lease = this.#leases[step.which];
        if (lease !== undefined) await this.#queue.settle(lease, step.outcome);
        return;
      }
      case "renew":
        await this.#queue.renew(this.#leases.slice(0, step.which), 2_000);
        return;
      case "wait":
        this.#clock.advance(step.ms);
        return;
      case "jump":
        this.#clock.jumpWall(-step.ms);
        return;
      case "pause":
        await this.#desk.pause(step.place, "by hand");
        return;
      case "resume":
        await this.#desk.resume(step.place);
        return;
      case "expire":
        await this.#queue.expire(step.place, this.#clock.now() - 3_000, "down");
        return;
      case "replay":
        await this.#desk.replay({ webhookId: step.place.slice(2) });
        return;
      case "prune":
        await this.#desk.prune({ maxAgeMs: 3_000, maxEntries: 3 });
        await this.#log.prune({ maxAgeMs: 3_000, maxEntries: 3 });
        return;
      case "look":
        await this.#desk.figures();
        await this.#desk.endpoints();
        await this.#desk.deadLetters({ appId: "1" }, 2);
        await this.#log.attempts({ failed: true }, 2);
        await this.#log.summary(this.#clock.now() - 1_000);
        await this.#log.versions(this.#clock.now() - 1_000);
        await this.#fleet.reports();
        return;
      case "report": {
        const like = { version: "1", slots: 2, utilisation: 0.5, fullRate: 10, isMeasured: true };
        const blockedEndpoints = ["1/ä"];
        await this.#fleet.report({ ...like, senderId: `s ${step.which}`, blockedEndpoints }, 2_000);
        return;
      }
      case "withdraw":
        await this.#fleet.withdraw(`s ${step.which}`);
        return;
      case "record":
        for (const [i, result] of (["delivered", "timeout"] as const).entries())
          this.#log.record({
            atMs: this.#clock.now() + i / 2,
            appId: "1",
            webhookId: "ä",
            jobId: "j",
            events: [],
            attempt: 1,
            result,
            status: null,
            durationMs: 1,
            ageMs: 1,
            detail: null,
            senderVersion: "1",
          });
        await this.#log.flush();
    }
  }
}

function jobOf(endpointId: string, number: number): Job {
  const [appId = "", webhookId = ""] = endpointId.split("/");
  return testJob({ id: `j ${number}`, appId, webhookId, body: "ü", retryWindowMs: 2_000 });
}
