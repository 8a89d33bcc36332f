import { expect, test } from "bun:test";
import fc from "fast-check";
import { Debounce } from "../../src/packager/debounce.ts";
import type { LoggedEvent } from "../../src/packager/ports/event-log.ts";
import { DEBOUNCE_MS } from "../../src/protocol/webhook.ts";
import {
  added,
  clientEvent,
  loggedEvent,
  occupied,
  removed,
  vacated,
} from "../support/packager-rig.ts";

/** Whose leavings and returns there are: names that must not be taken for each other. */
const KEYS = [
  { return: occupied("presence-a"), leave: vacated("presence-a") },
  { return: occupied("presence-a/b"), leave: vacated("presence-a/b") },
  { return: added("b", "presence-a"), leave: removed("b", "presence-a") },
  { return: added("u", "presence-a/b"), leave: removed("u", "presence-a/b") },
  { return: added("b/u", "presence-a"), leave: removed("b/u", "presence-a") },
];

const gapMs = fc.oneof(
  fc.nat(4_000),
  fc.nat(20),
  fc.constantFrom(0, DEBOUNCE_MS - 1, DEBOUNCE_MS, DEBOUNCE_MS + 1),
);
/** The last key is none: an event of another kind. */
const happenings = fc.array(fc.record({ gapMs, key: fc.nat(KEYS.length) }), { maxLength: 60 });
const reads = fc.array(
  fc.record({
    gapMs: fc.oneof(gapMs, fc.nat(30_000)),
    /** What becomes of the process after it has decided. */
    end: fc.constantFrom(
      "settles",
      "settles",
      "dies",
      "settles-and-dies",
      "settles-partly-and-dies",
    ),
  }),
  { minLength: 1, maxLength: 40 },
);

/** Of each key the returns and leavings come in turns, as the Roster makes them. */
function history(all: readonly { gapMs: number; key: number }[]): LoggedEvent[] {
  const isThere = KEYS.map(() => false);
  let atMs = 0;
  return all.map((one, i) => {
    atMs += one.gapMs;
    const key = KEYS[one.key];
    if (key === undefined) return loggedEvent(i + 1, clientEvent("d", "presence-a"), { atMs });
    isThere[one.key] = !isThere[one.key];
    return loggedEvent(i + 1, isThere[one.key] ? key.return : key.leave, { atMs });
  });
}

/** The rule, with everything in view: of each key, a leaving and the return after it go together if they are near. */
function toldAccordingToTheRule(events: readonly LoggedEvent[]): Set<string> {
  const told = new Set(events.map(({ id }) => id));
  const isEdge = ({ name }: LoggedEvent): boolean => name !== "client_event";
  const byKey = Map.groupBy(events.filter(isEdge), (event) => `${event.channel} ${event.userId}`);
  for (const ofKey of byKey.values()) {
    for (const [i, event] of ofKey.entries()) {
      const next = ofKey[i + 1];
      const isLeaving = /vacated|removed/.test(event.name);
      if (!isLeaving || next === undefined || next.atMs - event.atMs > DEBOUNCE_MS) continue;
      told.delete(event.id);
      told.delete(next.id);
    }
  }
  return told;
}

test("tells what the rule tells, however the log is read and whenever the process dies", () => {
  fc.assert(
    fc.property(happenings, reads, (all, turns) => {
      const events = history(all);
      const log = new Map(events.map((event) => [event.id, event]));
      const decided = new Map<string, "told" | "dropped">();
      let turn: { event: LoggedEvent; verdict: "told" | "dropped" }[] = [];
      let lastDue = { dueAtMs: Number.NEGATIVE_INFINITY, sequence: 0 };

      function decide(event: LoggedEvent, verdict: "told" | "dropped"): void {
        // Decided again after a death, it must come out the same.
        expect(decided.get(event.id) ?? verdict).toBe(verdict);
        decided.set(event.id, verdict);
        turn.push({ event, verdict });
      }

      function newDebounce(): Debounce {
        lastDue = { dueAtMs: Number.NEGATIVE_INFINITY, sequence: 0 };
        return new Debounce({
          drop: (event) => decide(event, "dropped"),
          tell(event, dueAtMs) {
            decide(event, "told");
            const { sequence } = event;
            expect(dueAtMs).toBeGreaterThanOrEqual(lastDue.dueAtMs);
            if (dueAtMs === lastDue.dueAtMs) expect(sequence).toBeGreaterThan(lastDue.sequence);
            lastDue = { dueAtMs, sequence };
          },
        });
      }

      let debounce = newDebounce();
      let position = 0;
      let nowMs = 0;

      function read(untilMs: number, end: string): void {
        nowMs = untilMs;
        turn = [];
        for (const event of log.values()) {
          if (event.sequence <= position || event.atMs > nowMs) continue;
          debounce.apply(event, event.atMs);
          position = event.sequence;
        }
        debounce.advance(nowMs);
        expect(debounce.nextDueMs).toBeGreaterThan(nowMs);
        for (const { event, verdict } of end === "dies" ? [] : turn) {
          // Some webhook has it, and another is still to have it.
          if (end === "settles-partly-and-dies" && verdict === "told")
            log.set(event.id, { ...event, handledFor: ["w"] });
          else log.delete(event.id);
        }
        if (!end.endsWith("dies")) return;
        debounce = newDebounce();
        position = 0;
      }

      for (const { gapMs: waitMs, end } of turns) read(nowMs + waitMs, end);
      const endMs = Math.max(nowMs, events.at(-1)?.atMs ?? 0) + DEBOUNCE_MS + 1;
      read(endMs, "settles");
      expect(debounce.size).toBe(0);
      expect(debounce.nextDueMs).toBe(Number.POSITIVE_INFINITY);
      expect(log.size).toBe(0);
      const told = [...decided].filter(([, verdict]) => verdict === "told").map(([id]) => id);
      expect(new Set(told)).toEqual(toldAccordingToTheRule(events));
      expect(decided.size).toBe(events.length);
    }),
    { numRuns: 1_000 },
  );
});

test("decides each event once, whatever comes: leavings of who has left, returns of who is there", () => {
  const disorder = fc.array(
    fc.record({ gapMs, key: fc.nat(KEYS.length - 1), leaves: fc.boolean(), told: fc.boolean() }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(disorder, (all) => {
      const decided: string[] = [];
      const debounce = new Debounce({
        tell: ({ id }) => decided.push(id),
        drop: ({ id }) => decided.push(id),
      });
      let nowMs = 0;
      const ids = all.map((one, i) => {
        nowMs += one.gapMs;
        const key = KEYS[one.key]!;
        const handledFor = one.told ? ["w"] : [];
        const event = loggedEvent(i, one.leaves ? key.leave : key.return, { handledFor });
        debounce.apply(event, nowMs);
        return event.id;
      });
      debounce.advance(nowMs + DEBOUNCE_MS + 1);
      expect(decided.toSorted()).toEqual(ids.toSorted());
      expect(debounce.size).toBe(0);
    }),
    { numRuns: 500 },
  );
});
