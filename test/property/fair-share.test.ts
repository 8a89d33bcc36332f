import { expect, test } from "bun:test";
import fc from "fast-check";
import { ConcurrencyLimit } from "../../src/sender/concurrency-limit.ts";
import { fairShare } from "../../src/sender/fair-share.ts";
import type { Lane } from "../../src/sender/lane.ts";
import { Lanes } from "../../src/sender/lanes.ts";

const settings = (slots: number, endpointConcurrency = 10_000) => ({
  slots,
  endpointConcurrency,
  maxJobAgeMs: 1,
  stopTimeoutMs: 1,
});

test("a share is as many as could be taken one after the other", () => {
  fc.assert(
    fc.property(fc.nat(2_000), fc.nat(2_000), (held, free) => {
      let taken = 0;
      while (held + taken < free - taken) taken++;
      expect(fairShare(held, free)).toBe(taken);
    }),
  );
});

/** Lets the endpoint have all that it may. */
function fill(lanes: Lanes, lane: Lane): void {
  // A limit doubles with successes: it is made to be no hindrance here.
  for (let left = lanes.roomOf(lane, 0); left > 0; left = lanes.roomOf(lane, 0))
    for (let i = 0; i < left; i++) lanes.begin(lane, 0);
}

function trusted(lanes: Lanes, appId: string, endpointId: string): Lane {
  const lane = lanes.lane(appId, endpointId, 0);
  for (let i = 0; i < 50_000 && lane.limit.value < 2_000; i++) lane.limit.succeeded();
  return lane;
}

test("apps that take all they get, one after the other, have half at most of what the others left", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 12 }),
      (slots, count) => {
        const lanes = new Lanes(settings(slots));
        for (let i = 0; i < count; i++) {
          const lane = trusted(lanes, `${i}`, `${i}/w`);
          const { free } = lanes;
          fill(lanes, lane);
          expect(lane.app.inFlight).toBe(Math.ceil(free / 2));
          fill(lanes, lane);
          expect(lanes.free).toBe(Math.floor(free / 2));
        }
        expect(lanes.room("new", "new/w", 0) > 0).toBe(lanes.free > 0);
      },
    ),
    { numRuns: 200 },
  );
});

test("apps that ask in turn get equal parts, and leave one", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 500 }),
      fc.integer({ min: 1, max: 40 }),
      (slots, count) => {
        const lanes = new Lanes(settings(slots));
        const apps = Array.from({ length: count }, (_, i) => trusted(lanes, `${i}`, `${i}/w`));
        for (let isMoving = true; isMoving;) {
          isMoving = false;
          for (const lane of apps) {
            if (lanes.roomOf(lane, 0) === 0) continue;
            lanes.begin(lane, 0);
            isMoving = true;
          }
        }
        expect(lanes.free).toBeGreaterThanOrEqual(Math.floor(slots / (count + 1)));
        const held = apps.map(({ app }) => app.inFlight);
        expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 200 },
  );
});

const APPS = 4;
const ENDPOINTS = 5;
const step = fc.oneof(
  fc.record({
    kind: fc.constant("lease" as const),
    order: fc.array(fc.nat(APPS * ENDPOINTS - 1), { maxLength: 20, size: "max" }),
  }),
  fc.record({ kind: fc.constant("end" as const), which: fc.nat(), isFailure: fc.boolean() }),
  fc.record({ kind: fc.constant("end" as const), which: fc.nat(), isFailure: fc.boolean() }),
);

test("whatever is leased and ends, no app has more than half, the last slot goes to one that has none, and those that fail share a half", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 150, size: "max" }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 12 }),
      (steps, slots, concurrency) => {
        const lanes = new Lanes(settings(slots, concurrency));
        const underWay: { lane: Lane; isProbe: boolean }[] = [];
        let nowMs = 0;
        for (const one of steps) {
          nowMs += 100;
          if (one.kind === "end") {
            if (underWay.length === 0) continue;
            const [ended] = underWay.splice(one.which % underWay.length, 1);
            const { lane, isProbe } = ended!;
            lanes.end(lane, nowMs);
            if (one.isFailure) {
              lane.limit.failed();
              lane.breaker.failed(isProbe, true, nowMs, 0);
            } else {
              lane.limit.succeeded();
              lane.breaker.succeeded(isProbe);
            }
            lanes.noteHealth(lane);
          } else {
            const taken = new Map<Lane, number>();
            let left = lanes.free;
            for (const place of one.order) {
              const appId = `${place % APPS}`;
              const endpointId = `${appId}/${Math.floor(place / APPS)}`;
              const room = Math.min(left, lanes.room(appId, endpointId, nowMs));
              if (room === 0) continue;
              const lane = lanes.lane(appId, endpointId, nowMs);
              const wasFree = lanes.free;
              const had = lane.app.inFlight + lane.app.taken;
              lanes.take(lane, room);
              left -= room;
              taken.set(lane, (taken.get(lane) ?? 0) + room);
              if (lanes.free === 0) expect(had).toBe(0);
              expect(had + room).toBeLessThanOrEqual(wasFree - room + 1);
            }
            lanes.letGoOfTaken();
            for (const [lane, count] of taken) {
              for (let i = 0; i < count; i++) {
                // What was taken together may begin one after the other.
                expect(lanes.roomOf(lane, nowMs)).toBeGreaterThan(0);
                underWay.push({ lane, isProbe: lanes.begin(lane, nowMs) });
              }
            }
          }
          expect(lanes.inFlight).toBe(underWay.length);
          expect(lanes.free).toBe(slots - underWay.length);
          const failing = underWay.filter(({ lane }) => lane.isFailing).length;
          for (const lane of lanes.all()) {
            const own = underWay.filter((each) => each.lane === lane).length;
            expect(lane.inFlight).toBe(own);
            expect(own).toBeLessThanOrEqual(concurrency);
            expect(lane.app.inFlight).toBeLessThanOrEqual(Math.ceil(slots / 2));
            expect(lane.isFailing).toBe(!lane.isHealthy);
            const share = fairShare(lane.app.inFlight, lanes.free);
            const failingShare = lane.isFailing ? fairShare(failing, lanes.free) : Infinity;
            const most = Math.min(share, failingShare, lane.room(nowMs));
            expect(lanes.roomOf(lane, nowMs)).toBe(Math.max(0, most));
          }
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("endpoints that fail, each with one request that hangs, leave half to those that do not", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 100 }), (slots) => {
      const lanes = new Lanes(settings(slots));
      for (let i = 0; i < 2 * slots; i++) {
        const lane = lanes.lane(`${i}`, `${i}/w`, 0);
        lane.breaker.failed(false, true, 0, 0);
        lanes.noteHealth(lane);
        fill(lanes, lane);
      }
      expect(lanes.inFlight).toBe(Math.ceil(slots / 2));
      expect(lanes.room("new", "new/w", 0)).toBeGreaterThan(0);
    }),
  );
});

test("a concurrency limit stays within its bounds, doubles by whole rounds and halves at once", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.array(fc.boolean(), { maxLength: 500, size: "max" }),
      (max, outcomes) => {
        const limit = new ConcurrencyLimit(max);
        let row = 0;
        for (const isSuccess of outcomes) {
          const before = limit.value;
          row = isSuccess ? row + 1 : 0;
          if (isSuccess) limit.succeeded();
          else limit.failed();
          expect(limit.value).toBeGreaterThanOrEqual(1);
          expect(limit.value).toBeLessThanOrEqual(max);
          if (!isSuccess) expect(limit.value).toBe(Math.max(1, Math.floor(before / 2)));
          else if (limit.value !== before) {
            expect(limit.value).toBe(Math.min(max, 2 * before));
            expect(row).toBeGreaterThanOrEqual(before);
          }
        }
      },
    ),
  );
});
