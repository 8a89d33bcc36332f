import { expect, test } from "bun:test";
import fc from "fast-check";
import { Batches, type Batch, type Telling } from "../../src/packager/batches.ts";
import { BATCH_WINDOW_MS } from "../../src/protocol/webhook.ts";
import { clientEvent, loggedEvent } from "../support/packager-rig.ts";

/** Names whose joining must not make one endpoint of two. */
const APPS = ["1", "11", "a-b"];
const WEBHOOKS = ["w", "1", "b"];
const MAX_EVENTS = 5;

const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.nat(20), fc.nat(400), fc.constantFrom(0, BATCH_WINDOW_MS)),
    app: fc.nat(APPS.length - 1),
    webhook: fc.nat(WEBHOOKS.length - 1),
    /** An app that does not batch has its events at once. */
    maxEvents: fc.constantFrom(MAX_EVENTS, MAX_EVENTS, MAX_EVENTS, 1),
  }),
  { maxLength: 120 },
);

test("hands every event out once, to its own endpoint, in order, when the batch is full or its time is up", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const batches = new Batches();
      const given = new Map<string, { readonly telling: Telling; readonly atMs: number }[]>();
      let nowMs = 0;

      function check(batch: Batch, isFull: boolean): void {
        const waiting = given.get(`${batch.appId} ${batch.webhookId}`)!;
        const expected = waiting.splice(0, batch.tellings.length);
        expect(batch.tellings).toEqual(expected.map(({ telling }) => telling));
        expect(batch.tellings.every(({ event }) => event.appId === batch.appId)).toBe(true);
        expect(waiting).toEqual([]);
        if (!isFull) expect(nowMs - expected[0]!.atMs).toBe(BATCH_WINDOW_MS);
      }

      /** Time passes as it does for an owner that looks when it is told to. */
      function pass(untilMs: number): void {
        while (batches.nextDueMs <= untilMs) {
          nowMs = batches.nextDueMs;
          const due = batches.takeDue(nowMs);
          expect(due.length).toBeGreaterThan(0);
          for (const batch of due) check(batch, false);
        }
        nowMs = untilMs;
      }

      for (const [i, { waitMs, app, webhook, maxEvents }] of all.entries()) {
        pass(nowMs + waitMs);
        const [appId, webhookId] = [APPS[app]!, WEBHOOKS[webhook]!];
        const event = loggedEvent(i, clientEvent(`${i}`), { appId });
        const telling = { event, dueAtMs: nowMs, waitsFor: 1 };
        const key = `${appId} ${webhookId}`;
        const waiting = given.get(key) ?? [];
        given.set(key, waiting);
        waiting.push({ telling, atMs: nowMs });
        const full = batches.add(telling, webhookId, maxEvents, nowMs);
        expect(full !== undefined).toBe(waiting.length >= maxEvents);
        if (full !== undefined) check(full, true);
        const oldest = Math.min(...[...given.values()].flat().map(({ atMs }) => atMs));
        expect(batches.oldestDueMs).toBe(oldest);
      }
      pass(nowMs + BATCH_WINDOW_MS);
      expect([...given.values()].flat()).toEqual([]);
      expect(batches.nextDueMs).toBe(Number.POSITIVE_INFINITY);
      expect(batches.oldestDueMs).toBe(Number.POSITIVE_INFINITY);
    }),
    { numRuns: 500 },
  );
});
