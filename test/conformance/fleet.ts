import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Fleet, SenderReport } from "../../src/sender/ports/fleet.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  STRANGE,
  clockOfAnotherProcess,
  type JobStoreEngine,
  type JobStoreUnderTest,
} from "./job-store.ts";

const TTL_MS = 8_000;

/** What the Fleet port promises, for any engine. */
export function describeFleet(name: string, engine: JobStoreEngine): void {
  describe(`${name} as a Fleet`, () => {
    let clock: FakeClock;
    let store: JobStoreUnderTest;
    let fleet: Fleet;
    beforeEach(async () => {
      clock = new FakeClock();
      store = await engine.make({ clock });
      ({ fleet } = store);
    });
    afterEach(() => store.close());

    async function alive(): Promise<string[]> {
      return (await fleet.reports()).map(({ senderId }) => senderId);
    }

    test("knows of nobody at first, and to withdraw nobody is no fault", async () => {
      expect(await fleet.reports()).toEqual([]);
      await fleet.withdraw("nobody");
      expect(await fleet.reports()).toEqual([]);
    });

    test("tells what was reported, all of it, in the order of the ids", async () => {
      const [a, b, c] = [
        report("a"),
        report("b", { utilisation: 0, isMeasured: false, blockedEndpoints: [] }),
        report("c", { utilisation: 1, fullRate: 0.000_123, slots: 1 }),
      ];
      for (const each of [c, a, b]) await fleet.report(each, TTL_MS);
      expect(await fleet.reports()).toEqual([a, b, c]);
    });

    test("replaces a report by the next of that sender", async () => {
      await fleet.report(report("a", { blockedEndpoints: ["1/w"] }), TTL_MS);
      await fleet.report(report("b"), TTL_MS);
      const newer = report("a", { version: "2", blockedEndpoints: [], utilisation: 0.25 });
      await fleet.report(newer, TTL_MS);
      expect(await fleet.reports()).toEqual([newer, report("b")]);
    });

    test("forgets a sender that is withdrawn, and takes it back when it reports again", async () => {
      for (const id of ["a", "b"]) await fleet.report(report(id), TTL_MS);
      await fleet.withdraw("a");
      expect(await alive()).toEqual(["b"]);
      await fleet.report(report("a"), TTL_MS);
      expect(await alive()).toEqual(["a", "b"]);
    });

    test("ends a report after its time, each after its own, counted from the last", async () => {
      await fleet.report(report("short"), 1_000);
      await fleet.report(report("long"), TTL_MS);
      clock.advance(999);
      expect(await alive()).toEqual(["long", "short"]);
      clock.advance(1);
      expect(await alive()).toEqual(["long"]);
      clock.advance(TTL_MS - 1_001);
      await fleet.report(report("long"), TTL_MS);
      clock.advance(TTL_MS - 1);
      expect(await alive()).toEqual(["long"]);
      clock.advance(1);
      expect(await alive()).toEqual([]);
    });

    test("counts the time of no report longer because somebody set the clock", async () => {
      await fleet.report(report("a"), TTL_MS);
      clock.jumpWall(-3_600_000);
      clock.advance(TTL_MS);
      expect(await alive()).toEqual([]);
      await fleet.report(report("a"), TTL_MS);
      expect(await alive()).toEqual(["a"]);
      clock.jumpWall(3_600_000);
      clock.advance(TTL_MS);
      expect(await alive()).toEqual([]);
    });

    test("keeps any text as it is", async () => {
      for (const text of STRANGE)
        await fleet.report(
          report(`id${text}`, { version: text, blockedEndpoints: [text] }),
          TTL_MS,
        );
      const told = new Map((await fleet.reports()).map((each) => [each.senderId, each]));
      expect(told.size).toBe(STRANGE.length);
      for (const text of STRANGE)
        expect(told.get(`id${text}`)).toEqual(
          report(`id${text}`, { version: text, blockedEndpoints: [text] }),
        );
      for (const text of STRANGE) await fleet.withdraw(`id${text}`);
      expect(await fleet.reports()).toEqual([]);
    });

    test("takes a report with thousands of endpoints", async () => {
      const blockedEndpoints = Array.from({ length: 10_000 }, (_, i) => `app-${i}/webhook-${i}`);
      await fleet.report(report("a", { blockedEndpoints }), TTL_MS);
      expect(await fleet.reports()).toEqual([report("a", { blockedEndpoints })]);
      // The desk is asked with as many.
      await store.desk.figures(new Set(blockedEndpoints));
    });

    test.skipIf(engine.whyAlone !== undefined)("is one for two processes", async () => {
      const other = await store.second?.(clockOfAnotherProcess(clock));
      if (other === undefined) throw new Error("An engine for several processes must open them.");
      await fleet.report(report("here"), TTL_MS);
      await other.fleet.report(report("there"), TTL_MS);
      for (const each of [fleet, other.fleet])
        expect(await each.reports()).toEqual([report("here"), report("there")]);
      await other.fleet.withdraw("here");
      expect(await alive()).toEqual(["there"]);
      clock.advance(TTL_MS);
      for (const each of [fleet, other.fleet]) expect(await each.reports()).toEqual([]);
    });

    test.skipIf(engine.whyForgetful !== undefined)(
      "counts on a sender that died until its time is over, and no longer",
      async () => {
        await fleet.report(report("died"), TTL_MS);
        await store.flush();
        const next = await store.reopen?.(new FakeClock(clock.now() + TTL_MS - 1, 50));
        if (next === undefined) throw new Error("An engine that lasts must tell how.");
        expect(await next.fleet.reports()).toEqual([report("died")]);
        const later = await store.reopen?.(new FakeClock(clock.now() + TTL_MS, 50));
        expect(await later?.fleet.reports()).toEqual([]);
      },
    );
  });
}

function report(senderId: string, changes: Partial<SenderReport> = {}): SenderReport {
  return {
    senderId,
    version: "1.2.3",
    slots: 100,
    utilisation: 0.5,
    fullRate: 812.5,
    isMeasured: true,
    blockedEndpoints: ["1/w", "2/x"],
    ...changes,
  };
}
