import { beforeEach, describe, expect, test } from "bun:test";
import type { Fleet } from "../../../src/sender/ports/fleet.ts";
import type { JobDesk, QueueFigures } from "../../../src/sender/ports/job-desk.ts";
import { Workload } from "../../../src/sender/workload.ts";
import { MemoryFleet } from "../../../src/stores/memory/fleet.ts";
import { MemoryJobDesk } from "../../../src/stores/memory/job-desk.ts";
import { MemoryJobs } from "../../../src/stores/memory/jobs.ts";
import { testJob } from "../../conformance/job-store.ts";
import { FakeClock } from "../../support/fake-clock.ts";

let clock: FakeClock;
let desk: MemoryJobDesk;
let fleet: MemoryFleet;
let asked: number;
let isAway: boolean;
let workload: Workload;
beforeEach(() => {
  clock = new FakeClock();
  desk = new MemoryJobDesk(new MemoryJobs(clock));
  fleet = new MemoryFleet(clock);
  asked = 0;
  isAway = false;
  const counted = {
    figures(blocked?: ReadonlySet<string>): Promise<QueueFigures> {
      asked++;
      return isAway ? Promise.reject(new Error("away")) : desk.figures(blocked);
    },
  };
  workload = new Workload(counted as JobDesk, fleet as Fleet, clock);
});

describe("the workload", () => {
  test("is that of an empty queue without senders at first", async () => {
    expect(await workload.figures()).toMatchObject({ backlogSeconds: 0, sendersBusy: 0 });
    expect((await workload.figures()).senders).toEqual(new Map());
  });

  test("puts queue and fleet together", async () => {
    for (const webhookId of ["a", "a", "a", "b"]) await desk.add(testJob({ webhookId }));
    const like = { slots: 10, utilisation: 0.75, fullRate: 2, isMeasured: true };
    await fleet.report({ ...like, senderId: "x", version: "1", blockedEndpoints: ["1/b"] }, 8_000);
    await fleet.report({ ...like, senderId: "y", version: "2", blockedEndpoints: [] }, 8_000);
    await fleet.report({ ...like, senderId: "z", version: "2", blockedEndpoints: [] }, 8_000);
    expect(await workload.figures()).toMatchObject({
      queue: { due: 4, deliverable: 3 },
      backlogSeconds: 1.5,
      sendersBusy: 2.25,
      senders: new Map([
        ["1", 1],
        ["2", 2],
      ]),
    });
  });

  test("asks the store once a second, however many ask, also at once", async () => {
    await Promise.all(Array.from({ length: 15 }, () => workload.figures()));
    await desk.add(testJob());
    clock.advance(999);
    expect((await workload.figures()).queue.due).toBe(0);
    expect(asked).toBe(1);
    clock.advance(1);
    expect((await workload.figures()).queue.due).toBe(1);
    expect(asked).toBe(2);
  });

  test("gives no old figures while the store is away, and asks again at once", async () => {
    await workload.figures();
    clock.advance(1_000);
    isAway = true;
    await expect(workload.figures()).rejects.toThrow("away");
    await expect(workload.figures()).rejects.toThrow("away");
    isAway = false;
    expect((await workload.figures()).queue.due).toBe(0);
  });
});
