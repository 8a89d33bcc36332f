import { describe, expect, test } from "bun:test";
import { settled } from "../../support/ring.ts";
import {
  PackagerRig,
  bodyOf,
  clientEvent,
  occupied,
  vacated,
  webhookApp,
} from "../../support/packager-rig.ts";

const batching = webhookApp({ batchWebhooks: true });

describe("to drain", () => {
  test("tells what has gathered, and leaves to the next owner the leavings that wait", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(vacated("a"), occupied("b"));
    await rig.pass(100);
    await rig.packager.drain();
    expect(rig.jobs.map((job) => bodyOf(job).events)).toEqual([[occupied("b")]]);
    const next = new PackagerRig([batching]);
    expect((await rig.leftovers()).map(({ json }) => json)).toEqual([JSON.stringify(vacated("a"))]);
    expect(next.jobs).toEqual([]);
  });

  test("lets the next owner begin at once, who tells the rest when it is due", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(vacated("a"), occupied("b"));
    await rig.pass(100);
    await rig.packager.drain();
    await rig.restart();
    await rig.pass(10);
    expect(rig.packager.figures()).toMatchObject({ partitions: 1, unsettled: 1 });
    await rig.pass(2_891 + 250);
    expect(rig.told()).toEqual([["channel_occupied"], ["channel_vacated"]]);
  });

  test("waits for a turn under way, whose jobs are made once", async () => {
    const rig = await PackagerRig.started();
    rig.log.delay("settle", "slow");
    rig.record(occupied("a"));
    await rig.pass(5);
    const drained = rig.packager.drain();
    await rig.pass(100);
    expect(rig.log.calls("settle")).toBe(1);
    rig.log.mend();
    await drained;
    expect(rig.log.calls("settle")).toBe(1);
    expect(rig.told()).toEqual([["channel_occupied"]]);
    expect(await rig.leftovers()).toEqual([]);
  });

  test("reads, owns and settles nothing more, but the loop still turns", async () => {
    const rig = await PackagerRig.started();
    await rig.packager.drain();
    const { calls } = rig.log;
    const before = (["own", "read", "settle"] as const).map((method) =>
      calls.call(rig.log, method),
    );
    rig.record(occupied("a"));
    await rig.pass(5_000);
    const after = (["own", "read", "settle"] as const).map((method) => calls.call(rig.log, method));
    expect(after).toEqual(before);
    expect(rig.clock.elapsedMs() - rig.packager.lastTurnMs()).toBeLessThanOrEqual(1_000);
    expect(rig.packager.figures()).toMatchObject({ partitions: 0, unsettled: 0 });
  });

  test("gives up what the log does not take, with a word, and the next owner tells it", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(occupied("a"));
    await rig.pass(100);
    rig.log.fail("settle");
    await rig.packager.drain();
    expect(rig.linesOf("warn")).toHaveLength(1);
    expect(rig.jobs).toEqual([]);
    await rig.restart();
    await rig.pass(300);
    expect(rig.told()).toEqual([["channel_occupied"]]);
  });

  test("goes on when the partitions cannot be released, with a word", async () => {
    const rig = await PackagerRig.started();
    rig.log.fail("release");
    await rig.packager.drain();
    expect(rig.linesOf("warn")).toHaveLength(1);
  });

  test("keeps no partition that it asked for before and gets only now", async () => {
    const rig = new PackagerRig();
    rig.log.delay("own", "late");
    rig.packager.start();
    const drained = rig.packager.drain();
    await rig.pass(100);
    rig.log.mend();
    await drained;
    expect(rig.packager.figures().partitions).toBe(0);
    expect(await rig.journal.another().own()).toHaveLength(1);
  });
});

describe("to close", () => {
  test("leaves no timer and no subscription behind, drained or not", async () => {
    for (const drains of [true, false]) {
      const rig = await PackagerRig.started([batching]);
      rig.record(vacated("a"), occupied("b"));
      await rig.pass(100);
      if (drains) await rig.packager.drain();
      await rig.packager.close();
      expect(rig.clock.pending).toBe(0);
      rig.record(occupied("c"));
      await rig.pass(5_000);
      expect(rig.clock.pending).toBe(0);
      expect(rig.told()).toEqual(drains ? [["channel_occupied"]] : []);
    }
  });

  test("waits for a turn under way", async () => {
    const rig = await PackagerRig.started();
    rig.record(occupied("a"));
    rig.clock.advance(5);
    await rig.packager.close();
    expect(rig.jobs).toHaveLength(1);
    expect(rig.clock.pending).toBe(0);
  });
});

describe("the loop", () => {
  test.each(["own", "read", "settle"] as const)(
    "turns every second though the log hangs in %s",
    async (method) => {
      const rig = await PackagerRig.started();
      rig.log.hang(method);
      rig.record(occupied());
      for (let i = 0; i < 10; i++) {
        await rig.pass(1_000);
        expect(rig.clock.elapsedMs() - rig.packager.lastTurnMs()).toBeLessThanOrEqual(1_000);
      }
      // Whatever hangs is asked for once, not again and again.
      expect(rig.log.calls(method)).toBeLessThanOrEqual(3);
    },
  );

  test.each(["read", "settle"] as const)(
    "keeps no partition waiting for another that hangs in %s",
    async (method) => {
      const rig = await PackagerRig.started([webhookApp()], 4);
      rig.log.hang(method, 0);
      const channels = Array.from({ length: 40 }, (_, i) => `c${i}`);
      rig.record(...channels.map((channel) => occupied(channel)));
      await rig.pass(1_000);
      const told = rig.jobs.length;
      expect(told).toBeGreaterThan(20);
      expect(told).toBeLessThan(40);
      rig.record(...channels.map((channel) => clientEvent("d", channel)));
      await rig.pass(1_000);
      expect(rig.jobs).toHaveLength(2 * told);
    },
  );

  test("turns seldom when nothing happens: for the poll, and to renew", async () => {
    const rig = await PackagerRig.started();
    await rig.pass(1_000);
    let turns = 0;
    let last = rig.packager.lastTurnMs();
    for (let i = 0; i < 10_000; i++) {
      await rig.pass(1);
      if (rig.packager.lastTurnMs() !== last) turns++;
      last = rig.packager.lastTurnMs();
    }
    expect(turns).toBeLessThanOrEqual(60);
  });

  test("reads a burst in one go, and settles it in one", async () => {
    const rig = await PackagerRig.started();
    const reads = rig.log.calls("read");
    for (let i = 0; i < 500; i++) rig.record(clientEvent(`${i}`));
    await rig.pass(5);
    expect(rig.log.calls("read") - reads).toBe(1);
    expect(rig.log.settlements).toHaveLength(1);
    expect(rig.jobs).toHaveLength(500);
  });

  test("reads what is more than a page without a pause, but lets others have their turn between", async () => {
    const rig = await PackagerRig.started();
    for (let i = 0; i < 3_500; i++) rig.record(clientEvent(`${i}`));
    const start = rig.clock.elapsedMs();
    const seen: number[] = [];
    rig.clock.advance(5);
    for (let i = 0; i < 4; i++) {
      await settled();
      seen.push(rig.jobs.length);
      rig.clock.advance(0);
    }
    expect(rig.clock.elapsedMs() - start).toBe(5);
    expect(seen).toEqual([1_000, 2_000, 3_000, 3_500]);
  });

  test("gives every partition its turns", async () => {
    const rig = await PackagerRig.started([webhookApp()], 8);
    expect(rig.packager.figures().partitions).toBe(8);
    for (let i = 0; i < 100; i++) rig.record(occupied(`c${i}`));
    await rig.pass(5);
    expect(rig.jobs).toHaveLength(100);
    expect(await rig.leftovers()).toEqual([]);
  });
});

describe("the figures", () => {
  test("count what was read, suppressed and made, and what is in memory", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(vacated("a"), occupied("a"), vacated("b"), occupied("c"));
    await rig.pass(100);
    expect(rig.packager.figures()).toEqual({
      counters: {
        eventsRead: 4,
        eventsSuppressed: 2,
        jobsMade: new Map(),
        readFailures: 0,
        settleFailures: 0,
      },
      partitions: 1,
      unsettled: 2,
      oldestUnsettledMs: 100,
    });
    await rig.pass(200);
    const { counters, unsettled, oldestUnsettledMs } = rig.packager.figures();
    expect(counters.jobsMade).toEqual(new Map([["3", 1]]));
    expect([unsettled, oldestUnsettledMs]).toEqual([1, 0]);
  });

  test("tell how far behind the reading is while there is a backlog", async () => {
    const rig = new PackagerRig();
    for (let i = 0; i < 2_500; i++) rig.record(clientEvent(`${i}`));
    rig.clock.advance(60_000);
    rig.packager.start();
    await rig.pass(0);
    expect(rig.jobs).toHaveLength(1_000);
    expect(rig.packager.figures().oldestUnsettledMs).toBe(60_000);
    await rig.pass(10);
    expect(rig.packager.figures().oldestUnsettledMs).toBe(0);
  });
});
