import { describe, expect, test } from "bun:test";
import {
  added,
  bodyOf,
  clientEvent,
  occupied,
  PackagerRig,
  removed,
  vacated,
} from "../../support/packager-rig.ts";

describe("a leaving", () => {
  test("is told three seconds after it happened, not before", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated());
    await rig.pass(3_000);
    expect(rig.jobs).toEqual([]);
    await rig.pass(1);
    expect(rig.told()).toEqual([["channel_vacated"]]);
    expect(await rig.leftovers()).toEqual([]);
  });

  test.each([
    [vacated(), occupied()],
    [removed("u"), added("u")],
  ])(
    "and its return are not told when it comes back, up to the limit itself (case %#)",
    async (leaving, back) => {
      for (const afterMs of [0, 1, 2_999, 3_000]) {
        const rig = await PackagerRig.started();
        rig.record(leaving);
        await rig.pass(afterMs);
        rig.record(back);
        await rig.pass(10_000);
        expect(rig.jobs).toEqual([]);
        expect(rig.packager.figures()).toMatchObject({ unsettled: 0 });
        expect(rig.packager.figures().counters).toMatchObject({
          eventsRead: 2,
          eventsSuppressed: 2,
        });
        expect(await rig.leftovers()).toEqual([]);
      }
    },
  );

  test("and its return are both told when the limit is past", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated());
    await rig.pass(3_001);
    rig.record(occupied());
    await rig.pass(10);
    expect(rig.told()).toEqual([["channel_vacated"], ["channel_occupied"]]);
  });

  test("is undone by its own return alone: not by that of another member, channel, app or kind", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated("presence-c"), removed("u"));
    rig.record(added("v"), occupied("presence-d"), added("u", "presence-d"));
    rig.journal.record("11", [occupied("presence-c"), added("u")]);
    await rig.pass(3_010);
    expect(rig.told().slice(-2)).toEqual([["channel_vacated"], ["member_removed"]]);
    expect(rig.packager.figures().counters.eventsSuppressed).toBe(0);
  });

  test("keeps nothing else of the channel waiting", async () => {
    const rig = await PackagerRig.started();
    rig.record(removed("u", "presence-c"), clientEvent("d", "presence-c"));
    rig.record({ name: "subscription_count", channel: "presence-c", subscription_count: 1 });
    await rig.pass(10);
    expect(rig.told()).toEqual([["client_event"], ["subscription_count"]]);
  });

  test("that flickers is told once, three seconds after the last time", async () => {
    const rig = await PackagerRig.started();
    for (let i = 0; i < 10; i++) {
      rig.record(vacated());
      await rig.pass(1_000);
      rig.record(occupied());
      await rig.pass(1_000);
    }
    rig.record(vacated());
    await rig.pass(3_000);
    expect(rig.jobs).toEqual([]);
    await rig.pass(1);
    expect(rig.told()).toEqual([["channel_vacated"]]);
  });
});

describe("a restart", () => {
  test("in the midst of the wait does not begin it anew, and loses nothing", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated());
    await rig.pass(1_500);
    await rig.restart();
    await rig.pass(1_500);
    expect(rig.jobs).toEqual([]);
    await rig.pass(1);
    expect(rig.told()).toEqual([["channel_vacated"]]);
  });

  test("tells at once what waited long enough meanwhile", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated());
    await rig.pass(100);
    await rig.crash();
    await rig.pass(60_000, 1_000);
    await rig.restart();
    await rig.pass(1);
    expect(rig.told()).toEqual([["channel_vacated"]]);
  });

  test("judges what happened meanwhile by its own times", async () => {
    const rig = new PackagerRig();
    rig.record(vacated("near"), vacated("far"));
    rig.clock.advance(2_000);
    rig.record(occupied("near"));
    rig.clock.advance(1_001);
    rig.record(occupied("far"));
    rig.clock.advance(60_000);
    rig.record(vacated("late"));
    rig.packager.start();
    await rig.pass(10);
    expect(rig.jobs.map(({ body }) => JSON.parse(body).events)).toEqual([
      [vacated("far")],
      [occupied("far")],
    ]);
    await rig.pass(3_001);
    expect(rig.told().at(-1)).toEqual(["channel_vacated"]);
  });

  test("finds a return that lies pages behind its leaving, before it tells the leaving", async () => {
    const rig = new PackagerRig();
    rig.record(vacated());
    for (let i = 0; i < 2_500; i++) rig.record(clientEvent(`${i}`));
    rig.record(occupied());
    rig.clock.advance(3_600_000);
    rig.packager.start();
    await rig.pass(100, 10);
    expect(rig.log.pages.slice(0, 3)).toEqual([1_000, 1_000, 502]);
    expect(rig.jobs).toHaveLength(2_500);
    expect(rig.packager.figures().counters.eventsSuppressed).toBe(2);
  });
});

describe("a wall clock that is set", () => {
  test("back makes no leaving wait longer, and its return is still its return", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated("a"));
    await rig.pass(10);
    rig.clock.jumpWall(-3_600_000);
    rig.record(vacated("b"));
    await rig.pass(2_990);
    rig.record(occupied("b"));
    await rig.pass(1);
    expect(rig.told()).toEqual([["channel_vacated"]]);
    await rig.pass(10_000);
    expect(rig.jobs).toHaveLength(1);
  });

  test("back while nobody reads makes a leaving wait for three seconds, counted from when it is read", async () => {
    const rig = new PackagerRig();
    rig.record(vacated("a"));
    rig.clock.jumpWall(-3_600_000);
    rig.record(vacated("b"));
    rig.packager.start();
    await rig.pass(0);
    await rig.pass(3_000);
    expect(rig.jobs).toEqual([]);
    await rig.pass(1);
    expect(rig.jobs).toHaveLength(2);
  });

  test("forward does not tell a leaving that was read before", async () => {
    const rig = await PackagerRig.started();
    rig.record(vacated("a"));
    await rig.pass(10);
    rig.clock.jumpWall(3_600_000);
    rig.record(occupied("b"));
    await rig.pass(10);
    expect(rig.told()).toEqual([["channel_occupied"]]);
    rig.record(occupied("a"));
    await rig.pass(10_000);
    expect(rig.jobs).toHaveLength(1);
  });
});

describe("what one webhook was told before the process died", () => {
  const leavingAndReturn = [vacated(), occupied()];
  test.each([
    { handled: [0, 1], what: "a leaving and its return" },
    { handled: [0], what: "a leaving, but not its return" },
    { handled: [1], what: "a return, but not its leaving" },
  ])("the others are told too, with what belongs to it: $what", async ({ handled }) => {
    const rig = new PackagerRig();
    rig.record(...leavingAndReturn);
    const owner = rig.journal.another();
    const [ownership] = await owner.own();
    const events = await owner.read(ownership!, 0, 10);
    await owner.settle(ownership!, {
      jobs: [],
      settled: [],
      handled: handled.map((i) => ({ eventId: events[i]!.id, webhookId: "another" })),
    });
    await owner.release();
    rig.packager.start();
    await rig.pass(10);
    expect(rig.jobs.map((job) => bodyOf(job).events)).toEqual(
      leavingAndReturn.map((event) => [event]),
    );
  });
});
