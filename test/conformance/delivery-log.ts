import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  ATTEMPT_RESULTS,
  type Attempt,
  type AttemptFilter,
  type DeliveryLog,
} from "../../src/sender/ports/delivery-log.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  STRANGE,
  clockOfAnotherProcess,
  type JobStoreEngine,
  type JobStoreUnderTest,
} from "./job-store.ts";

const DAY_MS = 86_400_000;

/** What the DeliveryLog port promises, for any engine. */
export function describeDeliveryLog(name: string, engine: JobStoreEngine): void {
  describe(`${name} as a DeliveryLog`, () => {
    let clock: FakeClock;
    let store: JobStoreUnderTest;
    let log: DeliveryLog;
    beforeEach(async () => {
      clock = new FakeClock();
      store = await engine.make({ clock });
      ({ log } = store);
    });
    afterEach(() => store.close());

    async function record(...attempts: Attempt[]): Promise<void> {
      for (const one of attempts) log.record(one);
      await store.flush();
    }

    /** Which of them the log answers with, by their place in the list. */
    async function found(
      recorded: readonly Attempt[],
      filter: AttemptFilter,
      limit = 100,
    ): Promise<number[]> {
      const places = new Map(recorded.map((one, i) => [JSON.stringify(one), i]));
      const answer = await log.attempts(filter, limit);
      return answer.map((one) => places.get(JSON.stringify({ ...recorded[0], ...one }))!);
    }

    test("has nothing of nothing", async () => {
      expect(await log.attempts({}, 10)).toEqual([]);
      expect(await log.summary(0)).toEqual(new Map());
      expect(await log.versions(0)).toEqual(new Map());
      expect(await log.prune({ maxAgeMs: 0, maxEntries: 0 })).toBe(0);
    });

    test("answers an attempt with all that was recorded, soon after it was", async () => {
      const delivered = attempt(clock);
      const failed = attempt(clock, {
        result: "timeout",
        status: null,
        detail: "no answer within 4 s",
        events: ["channel_occupied", "member_added"],
        attempt: 7,
      });
      await record(delivered, failed);
      expect(await log.attempts({}, 10)).toEqual([failed, delivered]);
    });

    test.each(ATTEMPT_RESULTS)(
      "knows the result %s, and which of them is no failure",
      async (result) => {
        await record(attempt(clock, { result }));
        expect(await log.attempts({}, 10)).toMatchObject([{ result }]);
        expect(await log.attempts({ failed: true }, 10)).toHaveLength(
          result === "delivered" ? 0 : 1,
        );
        expect(await log.attempts({ failed: false }, 10)).toHaveLength(
          result === "delivered" ? 1 : 0,
        );
      },
    );

    test("answers newest first", async () => {
      const startMs = clock.now();
      const all = [100, 200, 200, 300].map((ms) => attempt(clock, { atMs: startMs + ms }));
      await record(...all);
      expect(await found(all, {})).toEqual([3, 2, 1, 0]);
    });

    test("is narrowed by every field of the filter, and by all of them together", async () => {
      const startMs = clock.now();
      const all = [
        attempt(clock, { jobId: "a", atMs: startMs }),
        attempt(clock, {
          webhookId: "other",
          atMs: startMs + 1_000,
          result: "status",
          status: 500,
        }),
        attempt(clock, { jobId: "a", atMs: startMs + 2_000, result: "dns", status: null }),
        attempt(clock, { appId: "2", atMs: startMs + 3_000 }),
      ];
      await record(...all);
      expect(await found(all, {})).toEqual([3, 2, 1, 0]);
      expect(await found(all, { appId: "1" })).toEqual([2, 1, 0]);
      expect(await found(all, { webhookId: "w" })).toEqual([3, 2, 0]);
      expect(await found(all, { jobId: "a" })).toEqual([2, 0]);
      expect(await found(all, { failed: true })).toEqual([2, 1]);
      expect(await found(all, { failed: false })).toEqual([3, 0]);
      expect(await found(all, { sinceMs: startMs + 2_000 })).toEqual([3, 2]);
      expect(await found(all, { untilMs: startMs + 2_000 })).toEqual([1, 0]);
      expect(await found(all, { appId: "1", webhookId: "w", failed: true })).toEqual([2]);
      expect(
        await found(all, { appId: "1", sinceMs: startMs + 1_000, untilMs: startMs + 2_000 }),
      ).toEqual([1]);
      expect(await found(all, { appId: undefined, failed: undefined })).toEqual([3, 2, 1, 0]);
      expect(await found(all, { jobId: "" })).toEqual([]);
    });

    test("is limited from the newest on, after the filter", async () => {
      const all = Array.from({ length: 10 }, (_, i) =>
        attempt(clock, { atMs: clock.now() + i, webhookId: i % 2 === 0 ? "even" : "odd" }),
      );
      await record(...all);
      expect(await found(all, {}, 3)).toEqual([9, 8, 7]);
      expect(await found(all, { webhookId: "even" }, 2)).toEqual([8, 6]);
      expect(await found(all, {}, 0)).toEqual([]);
    });

    test("sums up every endpoint's attempts since a time, with the newest", async () => {
      const startMs = clock.now();
      const at = (ms: number, changes: Partial<Attempt> = {}) =>
        attempt(clock, { atMs: startMs + ms, ...changes });
      const newest = at(900, { result: "status", status: 500 });
      const others = at(500, { appId: "2", webhookId: "x" });
      await record(
        at(98, { appId: "3" }),
        at(99, { result: "timeout", status: null }),
        at(100),
        at(300, { result: "egress", status: null }),
        others,
        newest,
      );
      expect(await log.summary(startMs + 100)).toEqual(
        new Map([
          ["1/w", { delivered: 1, failed: 2, last: newest }],
          ["2/x", { delivered: 1, failed: 0, last: others }],
        ]),
      );
      expect((await log.summary(startMs)).get("1/w")).toMatchObject({ delivered: 1, failed: 3 });
      expect(await log.summary(startMs + 901)).toEqual(new Map());
    });

    test("tells sender versions apart: how their attempts since a time ended, and how long they took", async () => {
      const startMs = clock.now();
      const at = (ms: number, changes: Partial<Attempt>) =>
        attempt(clock, { atMs: startMs + ms, ...changes });
      const old = { senderVersion: "1.0.0" };
      const canary = { senderVersion: "1.1.0-canary.1" };
      await record(
        at(99, { ...old, durationMs: 9_999 }),
        at(100, { ...old, durationMs: 10 }),
        at(300, { ...old, durationMs: 30, appId: "2" }),
        at(200, { ...canary, result: "timeout", status: null, durationMs: 4_000 }),
        at(400, { ...old, result: "status", status: 500, durationMs: 20 }),
        at(500, { ...old, result: "address", status: null, durationMs: 0 }),
        at(600, { ...canary, result: "dns", status: null, durationMs: 70_000 }),
        at(700, { ...canary, result: "shutdown", status: null, durationMs: 1 }),
        at(800, { senderVersion: "0.9.0", result: "egress", status: null, durationMs: 5 }),
      );
      expect(await log.versions(startMs + 100)).toEqual(
        new Map([
          [
            "1.0.0",
            {
              delivered: 2,
              failed: 2,
              ownFaults: 0,
              p50Ms: 10,
              p95Ms: 30,
              p99Ms: 30,
              firstAtMs: startMs + 100,
              lastAtMs: startMs + 500,
            },
          ],
          [
            "1.1.0-canary.1",
            {
              delivered: 0,
              failed: 1,
              ownFaults: 2,
              p50Ms: 4_000,
              p95Ms: 4_000,
              p99Ms: 4_000,
              firstAtMs: startMs + 200,
              lastAtMs: startMs + 700,
            },
          ],
          [
            "0.9.0",
            {
              delivered: 0,
              failed: 0,
              ownFaults: 1,
              p50Ms: null,
              p95Ms: null,
              p99Ms: null,
              firstAtMs: startMs + 800,
              lastAtMs: startMs + 800,
            },
          ],
        ]),
      );
      expect((await log.versions(startMs)).get("1.0.0")).toMatchObject({
        delivered: 3,
        p99Ms: 9_999,
        firstAtMs: startMs + 99,
      });
      expect(await log.versions(startMs + 801)).toEqual(new Map());
    });

    test("tells how long the attempts of thousands took, in whatever order they came", async () => {
      const all = Array.from({ length: 2_000 }, (_, i) =>
        attempt(clock, {
          atMs: clock.now() + i,
          durationMs: 1 + ((i * 7) % 1_000),
          detail: i % 2 === 0 ? null : ',"durationMs":9999,"senderVersion":"no","result":"no"',
        }),
      );
      await record(...all);
      expect(await log.versions(0)).toEqual(
        new Map([
          [
            "1.2.3",
            {
              delivered: 2_000,
              failed: 0,
              ownFaults: 0,
              p50Ms: 500,
              p95Ms: 950,
              p99Ms: 990,
              firstAtMs: clock.now(),
              lastAtMs: clock.now() + 1_999,
            },
          ],
        ]),
      );
    });

    test("is pruned by age: what is older than that is forgotten, and told how many", async () => {
      const all = [0, 1_000, 2_000].map((ms) => attempt(clock, { atMs: clock.now() + ms }));
      await record(...all);
      clock.advance(DAY_MS + 2_000);
      expect(await log.prune({ maxAgeMs: DAY_MS + 1_000, maxEntries: 100 })).toBe(1);
      expect(await found(all, {})).toEqual([2, 1]);
      expect(await log.prune({ maxAgeMs: DAY_MS + 1_000, maxEntries: 100 })).toBe(0);
    });

    test("is pruned by number: the oldest attempts go", async () => {
      const all = [100, 200, 300, 400, 500].map((ms) =>
        attempt(clock, { atMs: clock.now() + ms, webhookId: `w${ms}` }),
      );
      await record(...all);
      expect(await log.prune({ maxAgeMs: DAY_MS, maxEntries: 2 })).toBe(3);
      expect(await found(all, {})).toEqual([4, 3]);
      expect([...(await log.summary(0)).keys()].toSorted()).toEqual(["1/w400", "1/w500"]);
      expect(await log.prune({ maxAgeMs: DAY_MS, maxEntries: 0 })).toBe(2);
      expect(await log.attempts({}, 10)).toEqual([]);
    });

    test("keeps thousands that come at once, and prunes them down", async () => {
      const all = Array.from({ length: 3_000 }, (_, i) =>
        attempt(clock, { atMs: clock.now() + i }),
      );
      await record(...all);
      expect(await log.attempts({}, 10_000)).toHaveLength(3_000);
      expect(await log.prune({ maxAgeMs: DAY_MS, maxEntries: 100 })).toBe(2_900);
      const kept = await log.attempts({}, 10_000);
      expect(kept).toEqual(all.slice(-100).toReversed());
    });

    test("keeps any text as it is", async () => {
      const all = STRANGE.map((text, i) =>
        attempt(clock, {
          atMs: clock.now() + i,
          appId: `app${text}`,
          webhookId: `hook${text}`,
          jobId: `job${text}`,
          result: "status",
          detail: text,
          senderVersion: text,
        }),
      );
      await record(...all);
      expect(await log.attempts({}, 100)).toEqual(all.toReversed());
      for (const text of STRANGE) {
        const filter = { appId: `app${text}`, webhookId: `hook${text}`, jobId: `job${text}` };
        expect(await log.attempts(filter, 100)).toMatchObject([{ detail: text }]);
      }
      expect((await log.summary(0)).size).toBe(STRANGE.length);
      expect([...(await log.versions(0)).keys()].toSorted()).toEqual(STRANGE.toSorted());
    });

    test.skipIf(engine.whyAlone !== undefined)("is one for two processes", async () => {
      const other = await store.second?.(clockOfAnotherProcess(clock));
      if (other === undefined) throw new Error("An engine for several processes must open them.");
      const [here, there] = [attempt(clock), attempt(clock, { atMs: clock.now() + 1 })];
      log.record(here);
      other.log.record(there);
      await store.flush();
      for (const each of [log, other.log])
        expect(await each.attempts({}, 9)).toEqual([there, here]);
    });

    test.skipIf(engine.whyForgetful !== undefined)(
      "has what was flushed after a death",
      async () => {
        const one = attempt(clock);
        await record(one);
        const next = await store.reopen?.(new FakeClock(clock.now(), 50));
        if (next === undefined) throw new Error("An engine that lasts must tell how.");
        expect(await next.log.attempts({}, 9)).toEqual([one]);
      },
    );
  });
}

let made = 0;

function attempt(clock: FakeClock, changes: Partial<Attempt> = {}): Attempt {
  made++;
  return {
    atMs: clock.now(),
    appId: "1",
    webhookId: "w",
    jobId: `job_${made}`,
    events: ["channel_occupied"],
    attempt: 1,
    result: "delivered",
    status: 200,
    durationMs: 12,
    ageMs: 250,
    detail: null,
    senderVersion: "1.2.3",
    ...changes,
  };
}
