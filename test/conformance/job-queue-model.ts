import { expect, test } from "bun:test";
import fc from "fast-check";
import { JOB_VERSION, type Job } from "../../src/protocol/job.ts";
import { endpointIdOf } from "../../src/protocol/webhook.ts";
import type { DeadLetter, EndpointLoad, Pause } from "../../src/sender/ports/job-desk.ts";
import type { JobOutcome, JobQueue, Lease, LeasedJob } from "../../src/sender/ports/job-queue.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  clockOfAnotherProcess,
  leaseFrom,
  notice,
  testJob,
  type JobStoreEngine,
  type JobStoreHandles,
  type JobStoreUnderTest,
} from "./job-store.ts";

/** Endpoints of three apps, one of which has several. */
const PLACES = [
  { appId: "1", webhookId: "a" },
  { appId: "1", webhookId: "b" },
  { appId: "1", webhookId: "c" },
  { appId: "2", webhookId: "a" },
  { appId: "3", webhookId: "a" },
] as const;

interface Filter {
  readonly appId?: string;
  readonly webhookId?: string;
  /** Buried so long ago at most. */
  readonly ageMs?: number;
}

type Command =
  | { kind: "add"; place: number; count: number; retryWindowMs: number }
  | { kind: "addAgain"; which: number }
  | { kind: "putNewer"; place: number }
  | { kind: "lease"; max: number; rooms: readonly number[]; leaseMs: number }
  | { kind: "settle"; which: number; outcome: JobOutcome }
  | { kind: "renew"; which: readonly number[]; leaseMs: number }
  | { kind: "wait"; ms: number }
  | { kind: "pause"; place: number; reason: string }
  | { kind: "resume"; place: number }
  | { kind: "expire"; place: number; agoMs: number }
  | { kind: "replay"; filter: Filter }
  | { kind: "prune"; maxAgeMs: number; maxEntries: number };

/** Times are multiples of what the engine may be late, so that of every moment it is clear on which side it is. */
function commandWith(unitMs: number): fc.Arbitrary<Command> {
  const is = <Kind extends Command["kind"]>(kind: Kind) => fc.constant(kind);
  const time = (mostMs: number) => fc.nat(Math.ceil(mostMs / unitMs)).map((n) => n * unitMs);
  const length = (...lengthsMs: number[]) =>
    fc.constantFrom(...lengthsMs).map((ms) => Math.ceil(ms / unitMs) * unitMs);
  const place = fc.nat(PLACES.length - 1);
  const leaseMs = length(1, 500, 2_000, 30_000);
  const delayMs = fc.oneof(fc.constant(0), time(3_000));
  const spentMs = fc.nat(10_000);
  /** The newest leases are the most worth touching; a modulus finds the others. */
  const which = fc.oneof({ weight: 3, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat() });
  const outcome: fc.Arbitrary<JobOutcome> = fc.oneof(
    fc.constant({ kind: "delivered" } as const),
    fc.record({ kind: fc.constant("retry" as const), delayMs, spentMs }),
    fc.record({ kind: fc.constant("returned" as const), delayMs }),
    fc.record({
      kind: fc.constant("buried" as const),
      reason: fc.constantFrom("410", "gave up"),
      attempts: fc.nat(20),
      spentMs,
    }),
  );
  const filter: fc.Arbitrary<Filter> = fc.oneof(
    fc.constant({}),
    place.map((i) => PLACES[i]!),
    place.map((i) => ({ webhookId: PLACES[i]!.webhookId })),
    fc.record({ ageMs: time(4_000) }),
  );
  const rooms = fc.array(fc.nat(4), { minLength: PLACES.length, maxLength: PLACES.length });
  const reason = fc.constantFrom("410", "by hand");
  const often = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });
  return fc.oneof(
    often(
      4,
      fc.record({
        kind: is("add"),
        place,
        count: fc.integer({ min: 1, max: 4 }),
        retryWindowMs: length(0, 1_000, 300_000),
      }),
    ),
    often(1, fc.record({ kind: is("addAgain"), which: fc.nat() })),
    often(1, fc.record({ kind: is("putNewer"), place })),
    often(6, fc.record({ kind: is("lease"), max: fc.nat(8), rooms, leaseMs })),
    often(6, fc.record({ kind: is("settle"), which, outcome })),
    often(2, fc.record({ kind: is("renew"), which: fc.array(which, { maxLength: 3 }), leaseMs })),
    often(4, fc.record({ kind: is("wait"), ms: fc.oneof(time(10), time(3_000)) })),
    often(1, fc.record({ kind: is("pause"), place, reason })),
    often(2, fc.record({ kind: is("resume"), place })),
    often(2, fc.record({ kind: is("expire"), place, agoMs: time(4_000) })),
    often(2, fc.record({ kind: is("replay"), filter })),
    often(1, fc.record({ kind: is("prune"), maxAgeMs: time(5_000), maxEntries: fc.nat(8) })),
  );
}

/** Random use of a queue, held against the plainest queue that could be written. */
export function describeJobQueueModel(name: string, engine: JobStoreEngine): void {
  const command = commandWith(Math.max(1, engine.latenessMs));
  test(`${name} agrees with a plain model of a queue on everything that can be seen, whatever is done`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(command, fc.boolean()), { minLength: 1, maxLength: 70 }),
        async (commands) => {
          const clock = new FakeClock();
          const store = await engine.make({ clock });
          try {
            const second = (await store.second?.(clockOfAnotherProcess(clock))) ?? store;
            const run = new Run(clock, store, engine.latenessMs);
            for (const [one, bySecond] of commands) {
              await run.step(one, bySecond ? second : store);
              await run.compare(bySecond ? store : second);
            }
          } finally {
            await store.close();
          }
        },
      ),
      { numRuns: 100 },
    );
  }, 180_000);
}

interface ModelJob {
  readonly job: Job;
  /** Newer jobs are never leased, and never expire. */
  readonly isNewer: boolean;
  /** It was leased and came back. */
  cameBack: boolean;
  /** Of jobs that came in the same millisecond, the first to come has the smallest. */
  readonly place: number;
  dueAtMs: number;
  waitsSinceMs: number;
  attempts: number;
  spentMs: number;
  firstAttemptAtMs: number | undefined;
  lease: ModelLease | undefined;
}

interface ModelLease {
  /** Of the process that has it. */
  readonly queue: JobQueue;
  readonly lease: Lease;
  readonly startedAtMs: number;
  readonly of: ModelJob;
  untilMs: number;
  isLost: boolean;
}

/** A queue as one would explain it: a list of jobs, a list of dead letters, a map of pauses. */
class Run {
  readonly #clock: FakeClock;
  readonly #store: JobStoreUnderTest;
  readonly #latenessMs: number;
  readonly #jobs = new Map<string, ModelJob>();
  /** Newest first. */
  #dead: DeadLetter[] = [];
  readonly #pauses = new Map<string, Pause>();
  /** All there ever were, newest first. */
  readonly #leases: ModelLease[] = [];
  #places = 0;
  #newer = 0;

  constructor(clock: FakeClock, store: JobStoreUnderTest, latenessMs: number) {
    this.#clock = clock;
    this.#store = store;
    this.#latenessMs = latenessMs;
  }

  async step(command: Command, { queue, desk }: JobStoreHandles): Promise<void> {
    if (command.kind === "lease" || command.kind === "expire")
      await notice(this.#clock, queue, this.#latenessMs);
    const now = this.#clock.now();
    switch (command.kind) {
      case "add": {
        const { count, retryWindowMs } = command;
        for (let i = 0; i < count; i++) {
          const job = testJob({
            ...PLACES[command.place]!,
            url: urlOf(command.place),
            createdAtMs: now,
            retryWindowMs,
          });
          expect(await desk.add(job)).toBe(true);
          this.#enter(job, false);
        }
        return;
      }
      case "addAgain": {
        const known = [...this.#jobs.values(), ...this.#dead].map(({ job }) => job);
        const job = known[command.which % known.length];
        if (job !== undefined)
          expect(await desk.add(testJob({ ...job, version: JOB_VERSION }))).toBe(false);
        return;
      }
      case "putNewer": {
        const { appId, webhookId } = PLACES[command.place]!;
        const id = `newer_${this.#newer++}`;
        const job = testJob({ version: JOB_VERSION + 1, id, appId, webhookId, retryWindowMs: 0 });
        const json = JSON.stringify({ ...job, url: urlOf(command.place) });
        await this.#store.putRaw([{ version: job.version, id, appId, webhookId, json }]);
        this.#enter(job, true);
        return;
      }
      case "lease": {
        const { max, rooms, leaseMs } = command;
        const roomOf = (endpointId: string) =>
          rooms[PLACES.findIndex((one) => idOf(one) === endpointId)] ?? 0;
        const leased = await leaseFrom(queue, { max, room: roomOf, leaseMs });
        this.#expectFair(leased, max, roomOf);
        for (const one of leased) this.#lease(one, leaseMs, queue);
        return;
      }
      case "settle": {
        const lease = this.#leases[command.which % this.#leases.length];
        if (lease === undefined) return;
        const counted = await lease.queue.settle(lease.lease, command.outcome);
        this.#expectHolds(lease, counted);
        if (counted) this.#settle(lease.of, command.outcome);
        return;
      }
      case "renew": {
        const leases = new Set(
          command.which.flatMap((i) => this.#leases[i % this.#leases.length] ?? []),
        );
        const lost: Lease[] = [];
        for (const holder of new Set(Array.from(leases, ({ queue: of }) => of))) {
          const held = [...leases].filter(({ queue: of }) => of === holder);
          lost.push(
            ...(await holder.renew(
              held.map(({ lease }) => lease),
              command.leaseMs,
            )),
          );
        }
        const lostKeys = new Set(lost.map((lease) => JSON.stringify(lease)));
        expect(lostKeys.size).toBe(lost.length);
        for (const lease of leases) {
          const isKept = !lostKeys.delete(JSON.stringify(lease.lease));
          this.#expectHolds(lease, isKept);
          if (isKept) lease.untilMs = now + command.leaseMs;
        }
        expect(lostKeys.size).toBe(0);
        return;
      }
      case "wait":
        this.#clock.advance(command.ms);
        return;
      case "pause": {
        const endpointId = idOf(PLACES[command.place]!);
        await queue.pause(endpointId, command.reason);
        const sinceMs = this.#pauses.get(endpointId)?.sinceMs ?? now;
        this.#pauses.set(endpointId, { reason: command.reason, sinceMs });
        return;
      }
      case "resume": {
        const endpointId = idOf(PLACES[command.place]!);
        expect(await desk.resume(endpointId)).toBe(this.#pauses.delete(endpointId));
        return;
      }
      case "expire": {
        const endpointId = idOf(PLACES[command.place]!);
        // Nobody tries a paused endpoint, so nobody finds it down.
        if (this.#pauses.has(endpointId)) return;
        const sinceMs = now - command.agoMs;
        const expired = this.#due(endpointId).filter(
          ({ job, waitsSinceMs, isNewer }) =>
            !isNewer && now - Math.max(sinceMs, waitsSinceMs) > job.retryWindowMs,
        );
        expect(await queue.expire(endpointId, sinceMs, "down")).toBe(expired.length);
        await this.#takeDead(expired, "down");
        return;
      }
      case "replay": {
        const { ageMs, ...rest } = command.filter;
        const sinceMs = ageMs === undefined ? undefined : now - ageMs;
        const back = this.#dead.filter(
          ({ job, buriedAtMs }) =>
            (rest.appId === undefined || rest.appId === job.appId) &&
            (rest.webhookId === undefined || rest.webhookId === job.webhookId) &&
            (sinceMs === undefined || buriedAtMs >= sinceMs),
        );
        expect(await desk.replay({ ...rest, sinceMs })).toBe(back.length);
        this.#dead = this.#dead.filter((letter) => !back.includes(letter));
        for (const { job } of back.toReversed()) this.#enter(job, false);
        return;
      }
      case "prune": {
        const kept = this.#dead
          .filter(({ buriedAtMs }) => now - buriedAtMs <= command.maxAgeMs)
          .slice(0, command.maxEntries);
        expect(await desk.prune(command)).toBe(this.#dead.length - kept.length);
        this.#dead = kept;
      }
    }
  }

  /** Everything that can be asked for, as another process sees it. */
  async compare({ desk }: JobStoreHandles): Promise<void> {
    const due = PLACES.flatMap((one) => (this.#pauses.has(idOf(one)) ? [] : this.#due(idOf(one))));
    const now = this.#clock.now();
    const { oldestDueMs, ...figures } = await this.#store.figures();
    expect(figures).toEqual({
      due: due.length,
      deliverable: due.length,
      leased: this.#count(this.#isLeased),
      delayed: this.#count(this.#isDelayed),
      dead: this.#dead.length,
      pausedEndpoints: this.#pauses.size,
    });
    // A job whose lease ended has been due since then, or all the time.
    const ages = due.map(({ dueAtMs, lease }) => [
      now - (lease?.untilMs ?? dueAtMs),
      now - dueAtMs,
    ]);
    expect(oldestDueMs).toBeGreaterThanOrEqual(Math.max(0, ...ages.map(([least]) => least!)));
    expect(oldestDueMs).toBeLessThanOrEqual(Math.max(0, ...ages.map(([, most]) => most!)));
    expect(await desk.deadLetters({}, 1_000)).toEqual(this.#dead);

    const loads = new Map<string, EndpointLoad>();
    for (const load of await desk.endpoints()) loads.set(idOf(load), load);
    for (const [i, one] of PLACES.entries()) {
      const load = loads.get(idOf(one));
      const here = (is: (job: ModelJob) => boolean) =>
        this.#count((job) => idOf(job.job) === idOf(one) && is(job));
      const expected = {
        ...one,
        due: this.#due(idOf(one)).length,
        leased: here(this.#isLeased),
        delayed: here(this.#isDelayed),
        dead: this.#dead.filter(({ job }) => idOf(job) === idOf(one)).length,
        paused: this.#pauses.get(idOf(one)) ?? null,
      };
      const { due: dueHere, leased, delayed, dead, paused } = expected;
      const hasJobs = dueHere + leased + delayed + dead > 0;
      if (hasJobs || paused !== null) {
        expect(load).toMatchObject(expected);
        if (this.#hasReadable(idOf(one))) expect(load!.url).toBe(urlOf(i));
      } else {
        expect(load).toBeUndefined();
      }
    }
  }

  #enter(job: Job, isNewer: boolean): void {
    const now = this.#clock.now();
    this.#jobs.set(job.id, {
      job,
      isNewer,
      cameBack: false,
      place: this.#places++,
      dueAtMs: now,
      waitsSinceMs: now,
      attempts: 0,
      spentMs: 0,
      firstAttemptAtMs: undefined,
      lease: undefined,
    });
  }

  #lease(
    { lease, job, attempts, spentMs, firstAttemptAtMs }: LeasedJob,
    leaseMs: number,
    queue: JobQueue,
  ): void {
    const of = this.#jobs.get(job.id)!;
    expect({ job, attempts, spentMs }).toEqual({
      job: of.job,
      attempts: of.attempts,
      spentMs: of.spentMs,
    });
    if (of.attempts === 0) expect(firstAttemptAtMs).toBeUndefined();
    else if (of.firstAttemptAtMs !== undefined) expect(firstAttemptAtMs).toBe(of.firstAttemptAtMs);
    else expect(firstAttemptAtMs).toBeNumber();
    of.firstAttemptAtMs = firstAttemptAtMs;
    if (of.lease !== undefined) of.lease.isLost = true;
    const startedAtMs = this.#clock.now();
    of.lease = { queue, lease, of, startedAtMs, untilMs: startedAtMs + leaseMs, isLost: false };
    this.#leases.unshift(of.lease);
  }

  #settle(of: ModelJob, outcome: JobOutcome): void {
    const now = this.#clock.now();
    if (of.lease !== undefined) of.lease.isLost = true;
    of.lease = undefined;
    if (outcome.kind === "delivered" || outcome.kind === "buried") this.#jobs.delete(of.job.id);
    else of.dueAtMs = now + outcome.delayMs;
    if (outcome.kind === "retry") {
      of.attempts++;
      of.spentMs = outcome.spentMs;
    } else if (outcome.kind === "buried") {
      const { attempts, reason } = outcome;
      this.#dead.unshift({ job: of.job, reason, attempts, buriedAtMs: now });
    }
    of.cameBack = true;
  }

  /** Jobs that are buried together come in the order that the engine likes, before all others. */
  async #takeDead(buried: readonly ModelJob[], reason: string): Promise<void> {
    const letters = new Map(
      buried.map(({ job, attempts }) => [
        job.id,
        { job, reason, attempts, buriedAtMs: this.#clock.now() },
      ]),
    );
    for (const { job, lease } of buried) {
      if (lease !== undefined) lease.isLost = true;
      this.#jobs.delete(job.id);
    }
    const newest = await this.#store.desk.deadLetters({}, buried.length);
    const inOrder = newest.flatMap(({ job }) => letters.get(job.id) ?? []);
    expect(new Set(inOrder).size).toBe(buried.length);
    this.#dead.unshift(...inOrder);
  }

  /** A lease that ended and that nobody else has yet may still hold; one that did not end must, one that was lost must not. */
  #expectHolds(lease: ModelLease, holds: boolean): void {
    if (lease.isLost) expect(holds).toBe(false);
    else if (lease.untilMs > this.#clock.now()) expect(holds).toBe(true);
    if (!holds) lease.isLost = true;
  }

  /**
   * As many as can be, of each endpoint those that were due first, and no app (no endpoint of an app) behind another by
   * more than one unless it has no more to give.
   */
  #expectFair(
    leased: readonly LeasedJob[],
    max: number,
    roomOf: (endpointId: string) => number,
  ): void {
    const taken = PLACES.map((one) =>
      leased.filter(({ job }) => idOf(job) === idOf(one)).map(({ job }) => job.id),
    );
    const offers = PLACES.map((one) => {
      if (this.#pauses.has(idOf(one))) return [];
      return this.#due(idOf(one)).filter(({ isNewer }) => !isNewer);
    });
    const most = PLACES.map((one, i) => Math.min(roomOf(idOf(one)), offers[i]!.length));
    expect(leased).toHaveLength(Math.min(max, sum(most)));

    for (const [i, idsTaken] of taken.entries()) {
      expect(idsTaken.length).toBeLessThanOrEqual(most[i]!);
      // A job whose lease ended may keep its place, or lose it.
      const inOrder = ({ lease }: ModelJob): boolean => lease === undefined;
      const jobs = idsTaken.map((id) => this.#jobs.get(id)!).filter(inOrder);
      const first = offers[i]!.filter(inOrder).slice(0, jobs.length);
      expect(jobs.map(({ dueAtMs }) => dueAtMs)).toEqual(first.map(({ dueAtMs }) => dueAtMs));
      // Of those due in the same millisecond, new jobs come in the order in which they were added.
      for (const [k, job] of jobs.entries()) {
        const next = jobs[k + 1];
        if (next === undefined || next.dueAtMs !== job.dueAtMs) continue;
        if (!job.cameBack && !next.cameBack) expect(next.place).toBeGreaterThan(job.place);
      }
    }

    const counts = taken.map((one) => one.length);
    const isSpent = (i: number) => counts[i] === most[i];
    const apps = new Map<string, { count: number; isSpent: boolean }>();
    for (const [i, { appId }] of PLACES.entries()) {
      const app = apps.get(appId) ?? { count: 0, isSpent: true };
      apps.set(appId, {
        count: app.count + counts[i]!,
        isSpent: app.isSpent && isSpent(i),
      });
      for (const [j, other] of PLACES.entries())
        if (other.appId === appId && !isSpent(i))
          expect(counts[j]!).toBeLessThanOrEqual(counts[i]! + 1);
    }
    for (const behind of apps.values())
      for (const before of apps.values())
        if (!behind.isSpent) expect(before.count).toBeLessThanOrEqual(behind.count + 1);
  }

  /** In the order in which they are due. */
  #due(endpointId: string): ModelJob[] {
    return [...this.#jobs.values()]
      .filter((one) => idOf(one.job) === endpointId)
      .filter((one) => !this.#isLeased(one) && !this.#isDelayed(one))
      .toSorted((a, b) => a.dueAtMs - b.dueAtMs || a.place - b.place);
  }

  readonly #isLeased = ({ lease }: ModelJob): boolean =>
    lease !== undefined && lease.untilMs > this.#clock.now();

  readonly #isDelayed = ({ lease, dueAtMs }: ModelJob): boolean =>
    lease === undefined && dueAtMs > this.#clock.now();

  #count(is: (job: ModelJob) => boolean): number {
    return [...this.#jobs.values()].filter(is).length;
  }

  #hasReadable(endpointId: string): boolean {
    const letters = this.#dead.filter(({ job }) => idOf(job) === endpointId);
    return (
      letters.length > 0 || this.#count((one) => !one.isNewer && idOf(one.job) === endpointId) > 0
    );
  }
}

function idOf({
  appId,
  webhookId,
}: {
  readonly appId: string;
  readonly webhookId: string;
}): string {
  return endpointIdOf(appId, webhookId);
}

function urlOf(i: number): string {
  return `https://example.com/${i}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
