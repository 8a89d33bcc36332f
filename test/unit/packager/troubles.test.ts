import { describe, expect, test } from "bun:test";
import { OwnershipLost } from "../../../src/packager/ports/event-log.ts";
import {
  PackagerRig,
  clientEvent,
  occupied,
  vacated,
  webhookApp,
} from "../../support/packager-rig.ts";

const batching = webhookApp({ batchWebhooks: true });

describe("a log that settles nothing", () => {
  test.each(["fail", "failLate"] as const)(
    "is given the very same again until it does, and nothing is told twice (%s)",
    async (way) => {
      const rig = await PackagerRig.started([batching]);
      rig.log[way]("settle");
      rig.record(occupied("a"), vacated("b"));
      await rig.pass(1_000);
      rig.record(occupied("c"));
      await rig.pass(20_000, 10);
      const tries = rig.log.settlements;
      expect(tries.length).toBeGreaterThan(5);
      for (const settlement of tries) expect(settlement).toEqual(tries[0]!);
      rig.log.mend();
      await rig.pass(10_000, 10);
      expect(rig.told()).toEqual([["channel_occupied"], ["channel_vacated", "channel_occupied"]]);
      expect(new Set(rig.jobs.map(({ id }) => id)).size).toBe(2);
      expect(rig.packager.figures()).toMatchObject({ unsettled: 0, oldestUnsettledMs: 0 });
      expect(await rig.leftovers()).toEqual([]);
    },
  );

  test("is asked after 100 ms, then ever more rarely, every five seconds at last", async () => {
    const rig = await PackagerRig.started();
    rig.log.fail("settle");
    rig.record(occupied());
    const at: number[] = [];
    let tries = 0;
    const startMs = rig.clock.elapsedMs();
    for (let i = 0; i < 25_000; i++) {
      await rig.pass(1);
      if (rig.log.calls("settle") === tries) continue;
      tries = rig.log.calls("settle");
      at.push(rig.clock.elapsedMs() - startMs);
    }
    const pauses = at.slice(1).map((ms, i) => ms - at[i]!);
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  });

  test("is reported once, and once more when it is well; then the pauses are short again", async () => {
    const rig = await PackagerRig.started();
    for (let outage = 1; outage <= 2; outage++) {
      rig.log.fail("settle");
      rig.record(occupied(`${outage}`));
      await rig.pass(3_000);
      expect(rig.linesOf("error")).toHaveLength(outage);
      expect(rig.lines.at(-1)!.fields).toMatchObject({ partition: 0, err: expect.any(Error) });
      const failures = rig.packager.figures().counters.settleFailures;
      expect(failures).toBe(rig.log.calls("settle") - (outage - 1));
      rig.log.mend();
      await rig.pass(5_000);
      expect(rig.linesOf("info")).toHaveLength(outage);
      expect(rig.jobs).toHaveLength(outage);
    }
  });

  test("is read no further meanwhile, so that memory stays as it is", async () => {
    const rig = await PackagerRig.started();
    rig.log.fail("settle");
    rig.record(occupied());
    await rig.pass(10);
    for (let i = 0; i < 100; i++) rig.record(clientEvent(`${i}`));
    await rig.pass(5_000);
    expect(rig.packager.figures().unsettled).toBe(1);
    rig.log.mend();
    await rig.pass(6_000);
    expect(rig.jobs).toHaveLength(101);
  });

  test("lets the age of the oldest event grow", async () => {
    const rig = await PackagerRig.started();
    rig.log.fail("settle");
    rig.record(occupied());
    await rig.pass(10_000);
    expect(rig.packager.figures().oldestUnsettledMs).toBe(10_000);
    rig.log.mend();
    await rig.pass(6_000);
    expect(rig.packager.figures().oldestUnsettledMs).toBe(0);
  });

  test("did not hear of a return: it cancels its leaving when it is read, by its own time", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated("a"));
    await rig.pass(10);
    rig.log.fail("settle");
    rig.record(occupied("b"));
    await rig.pass(1_000);
    rig.record(occupied("a"));
    await rig.pass(30_000, 10);
    rig.log.mend();
    await rig.pass(10_000, 10);
    expect(rig.told()).toEqual([["channel_occupied"]]);
    expect(rig.packager.figures().counters.eventsSuppressed).toBe(2);
  });
});

describe("a log that cannot be read", () => {
  test("lets nothing come due that it might still undo, and is read when it can be", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated("a"), vacated("b"));
    await rig.pass(10);
    rig.log.fail("read");
    rig.record(occupied("a"));
    await rig.pass(30_000, 10);
    expect(rig.jobs).toEqual([]);
    expect(rig.linesOf("error")).toHaveLength(1);
    const { counters, oldestUnsettledMs } = rig.packager.figures();
    expect(counters.readFailures).toBeGreaterThan(5);
    // Since the leavings came due.
    expect(oldestUnsettledMs).toBe(30_010 - 3_001);
    rig.log.mend();
    await rig.pass(6_000, 10);
    expect(rig.told()).toEqual([["channel_vacated"]]);
    expect(rig.linesOf("info")).toHaveLength(1);
    expect(await rig.leftovers()).toEqual([]);
  });

  test("at once may hold a return by now: what comes due meanwhile waits for the page after it", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated());
    await rig.pass(2_700);
    rig.log.delay("read", "slow");
    const reads = rig.log.calls("read");
    while (rig.log.calls("read") === reads) await rig.pass(1);
    rig.record(occupied());
    await rig.pass(500);
    rig.log.mend();
    await rig.pass(10_000);
    expect(rig.jobs).toEqual([]);
    expect(rig.packager.figures().counters.eventsSuppressed).toBe(2);
  });

  test("is still tried when it gives no hints: four times a second", async () => {
    const rig = await PackagerRig.started();
    rig.log.deafen();
    await rig.pass(1_000);
    const reads = rig.log.calls("read");
    await rig.pass(10_000);
    expect(rig.log.calls("read") - reads).toBe(40);
    rig.record(occupied());
    await rig.pass(250);
    expect(rig.told()).toEqual([["channel_occupied"]]);
  });
});

describe("a partition that another process has taken", () => {
  test.each(["read", "settle"] as const)(
    "is forgotten when %s tells of it, and read anew when it is owned again",
    async (method) => {
      const rig = await PackagerRig.started([batching]);
      rig.record(vacated("a"), occupied("b"));
      await rig.pass(100);
      expect(rig.packager.figures()).toMatchObject({ partitions: 1, unsettled: 2 });
      await rig.log.inner.release();
      const other = rig.journal.another();
      const [ownership] = await other.own();
      if (method === "settle") rig.log.fail("read", new OwnershipLost());
      await rig.pass(1_000);
      expect(rig.packager.figures()).toMatchObject({ partitions: 0, unsettled: 0 });
      rig.log.mend();
      const [, second] = await other.read(ownership!, 0, 10);
      await other.settle(ownership!, { jobs: [], settled: [second!.id], handled: [] });
      await other.release();
      await rig.pass(5_000);
      expect(rig.told()).toEqual([["channel_vacated"]]);
      expect(rig.linesOf("error")).toEqual([]);
      expect(await rig.leftovers()).toEqual([]);
    },
  );

  test("is forgotten when it is not among those owned, though it hangs and does not say so", async () => {
    const rig = await PackagerRig.started();
    rig.log.hang("read");
    rig.record(occupied());
    await rig.pass(500);
    await rig.log.inner.release();
    await rig.journal.another().own();
    await rig.pass(1_000);
    expect(rig.packager.figures().partitions).toBe(0);
    expect(rig.linesOf("info")).toHaveLength(1);
  });

  test("settles nothing of what was in its memory", async () => {
    const rig = await PackagerRig.started([batching]);
    rig.record(occupied("b"));
    await rig.pass(200);
    await rig.log.inner.release();
    const other = rig.journal.another();
    await other.own();
    await rig.pass(2_000);
    expect(rig.jobs).toEqual([]);
    await other.release();
    await rig.pass(2_000);
    expect(rig.told()).toEqual([["channel_occupied"]]);
  });
});

describe("a partition that hangs", () => {
  test("is worked on again when it is owned anew", async () => {
    const rig = await PackagerRig.started();
    rig.log.hang("read");
    rig.record(occupied());
    await rig.pass(2_000);
    expect(rig.jobs).toEqual([]);
    await rig.log.inner.release();
    rig.log.mend();
    await rig.pass(1_010);
    expect(rig.told()).toEqual([["channel_occupied"]]);
    expect(rig.packager.figures().partitions).toBe(1);
  });
});

describe("a log that does not say who owns what", () => {
  test("is asked every second, reported once, and leaves what is owned at work", async () => {
    const rig = await PackagerRig.started();
    rig.log.fail("own");
    const asked = rig.log.calls("own");
    await rig.pass(5_500);
    expect(rig.log.calls("own") - asked).toBe(5);
    expect(rig.linesOf("error")).toHaveLength(1);
    rig.record(occupied());
    await rig.pass(5);
    expect(rig.jobs).toHaveLength(1);
    rig.log.mend();
    await rig.pass(1_000);
    expect(rig.linesOf("info")).toHaveLength(1);
  });

  test("keeps a packager that starts waiting, and no longer than it must", async () => {
    const rig = new PackagerRig();
    rig.log.fail("own");
    rig.record(occupied());
    rig.packager.start();
    await rig.pass(3_000);
    expect(rig.jobs).toEqual([]);
    rig.log.mend();
    await rig.pass(1_010);
    expect(rig.jobs).toHaveLength(1);
  });
});
