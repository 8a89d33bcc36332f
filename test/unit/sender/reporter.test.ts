import { beforeEach, describe, expect, test } from "bun:test";
import type { SenderWork } from "../../../src/sender/figures.ts";
import type { Fleet, SenderReport } from "../../../src/sender/ports/fleet.ts";
import { Reporter } from "../../../src/sender/reporter.ts";
import { MemoryFleet } from "../../../src/stores/memory/fleet.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const SLOTS = 10;
const ALLOWANCE = 0.25;

let clock: FakeClock;
let fleet: MemoryFleet;
let work: { -readonly [name in keyof SenderWork]: SenderWork[name] };
let cpuMs: number;
let blocked: string[];

function reporterOf(store: Fleet = fleet): Reporter {
  return new Reporter({
    sender: { work: () => ({ ...work }), blockedEndpoints: () => blocked },
    fleet: store,
    clock,
    senderId: "a",
    version: "1.2.3",
    slots: SLOTS,
    cpuAllowance: ALLOWANCE,
    cpuMs: () => cpuMs,
  });
}

async function started(): Promise<void> {
  reporterOf().start();
  await Bun.sleep(0);
}

/** Time passes in which so much is done. */
async function pass(
  seconds: number,
  did: { cpu?: number; slots?: number; answered?: number } = {},
) {
  cpuMs += (did.cpu ?? 0) * seconds * 1_000;
  work.slotLoadMs += (did.slots ?? 0) * seconds * 1_000;
  work.answered += (did.answered ?? 0) * seconds;
  clock.advance(seconds * 1_000);
  await Bun.sleep(0);
}

async function told(): Promise<SenderReport> {
  const [report] = await fleet.reports();
  if (report === undefined) throw new Error("nothing was reported");
  return report;
}

beforeEach(() => {
  clock = new FakeClock();
  fleet = new MemoryFleet(clock);
  work = { answered: 0, slotLoadMs: 0 };
  cpuMs = 500;
  blocked = [];
});

describe("a reporter", () => {
  test("reports from the start on, idle at first whatever the start took", async () => {
    const reporter = reporterOf();
    cpuMs += 400;
    clock.advance(20);
    reporter.start();
    expect(await fleet.reports()).toEqual([
      {
        senderId: "a",
        version: "1.2.3",
        slots: SLOTS,
        utilisation: 0,
        fullRate: 1_000,
        isMeasured: false,
        blockedEndpoints: [],
      },
    ]);
  });

  test("is there as long as it reports, and gone eight seconds after its last report", async () => {
    const storeClock = new FakeClock();
    fleet = new MemoryFleet(storeClock);
    await started();
    for (let i = 0; i < 20; i++) {
      storeClock.advance(2_000);
      await pass(2);
      expect(await fleet.reports()).toHaveLength(1);
    }
    // The process is dead, and its timers with it; the store's clock goes on.
    storeClock.advance(7_999);
    expect(await fleet.reports()).toHaveLength(1);
    storeClock.advance(1);
    expect(await fleet.reports()).toEqual([]);
  });

  test("tells the share of its CPU allowance that was used in the last interval", async () => {
    await started();
    await pass(2, { cpu: 0.1, answered: 1_000 });
    expect((await told()).utilisation).toBeCloseTo(0.4);
    await pass(2, { cpu: 0.9, answered: 3_000 });
    expect((await told()).utilisation).toBe(1);
    await pass(2);
    expect((await told()).utilisation).toBe(0);
  });

  test("tells the share of its slots where that is more", async () => {
    await started();
    await pass(2, { cpu: 0.05, slots: 0.7 });
    expect((await told()).utilisation).toBeCloseTo(0.7);
    await pass(2, { cpu: 0.2, slots: 0.7, answered: 1_000 });
    expect((await told()).utilisation).toBeCloseTo(0.8);
  });

  test("is as busy as its deliveries account for, whatever it uses by being there", async () => {
    await started();
    for (let i = 0; i < 20; i++) await pass(2, { cpu: 0.25, answered: 800 });
    expect((await told()).utilisation).toBeGreaterThan(0.8);
    // The others take most jobs now. It is woken for all of them.
    for (let i = 0; i < 20; i++) await pass(2, { cpu: 0.25, answered: 80 });
    const { utilisation } = await told();
    expect(utilisation).toBeLessThan(0.12);
    expect(utilisation).toBeGreaterThan(0.06);
  });

  test("tells the rate at full load: throughput by utilisation", async () => {
    await started();
    await pass(2, { cpu: 0.125, answered: 300 });
    expect((await told()).isMeasured).toBe(false);
    for (let i = 0; i < 100; i++) await pass(2, { cpu: 0.125, answered: 300 });
    const { fullRate, isMeasured } = await told();
    expect(isMeasured).toBe(true);
    expect(Math.abs(fullRate - 600)).toBeLessThan(5);
  });

  test("tells the endpoints that are broken off, and of an endless number the first ten thousand", async () => {
    await started();
    blocked = ["1/w", "2/w"];
    await pass(2);
    expect((await told()).blockedEndpoints).toEqual(["1/w", "2/w"]);
    blocked = [];
    await pass(2);
    expect((await told()).blockedEndpoints).toEqual([]);
    blocked = Array.from({ length: 10_001 }, (_, i) => `1/${i}`);
    await pass(2);
    expect((await told()).blockedEndpoints).toEqual(blocked.slice(0, 10_000));
  });

  test("withdraws when it is stopped, and says nothing more", async () => {
    const reporter = reporterOf();
    reporter.start();
    await reporter.stop();
    expect([await fleet.reports(), clock.pending]).toEqual([[], 0]);
    await reporter.stop();
    reporter.start();
    await pass(10);
    expect(await fleet.reports()).toEqual([]);
  });
});

describe("a reporter whose store is away", () => {
  let waiting: (() => void)[];
  let calls: string[];
  const slow: Fleet = {
    async report(report, ttlMs) {
      calls.push("report");
      await new Promise<void>((resolve) => waiting.push(resolve));
      await fleet.report(report, ttlMs);
    },
    async withdraw(senderId) {
      calls.push("withdraw");
      await fleet.withdraw(senderId);
    },
    reports: () => fleet.reports(),
  };
  beforeEach(() => {
    waiting = [];
    calls = [];
  });

  test("keeps one report waiting, and goes on with the newest figures", async () => {
    reporterOf(slow).start();
    for (let i = 0; i < 5; i++) await pass(2, { cpu: 0.25, answered: 2_000 });
    expect(calls).toEqual(["report"]);
    waiting.shift()?.();
    await Bun.sleep(0);
    await pass(2, { cpu: 0.25, answered: 2_000 });
    expect(calls).toEqual(["report", "report"]);
    waiting.shift()?.();
    await Bun.sleep(0);
    expect((await told()).utilisation).toBe(1);
  });

  test("lets no report come behind its withdrawal", async () => {
    const reporter = reporterOf(slow);
    reporter.start();
    const stopped = reporter.stop();
    expect(calls).toEqual(["report"]);
    waiting.shift()?.();
    await stopped;
    expect(calls).toEqual(["report", "withdraw"]);
    expect(await fleet.reports()).toEqual([]);
  });

  test("holds a stop up for a second at most, and swallows faults", async () => {
    const reporter = reporterOf(slow);
    reporter.start();
    let isStopped = false;
    void reporter.stop().then(() => (isStopped = true));
    await pass(0.999);
    expect(isStopped).toBe(false);
    await pass(0.001);
    expect(isStopped).toBe(true);

    const broken: Fleet = {
      report: () => Promise.reject(new Error("away")),
      withdraw: () => Promise.reject(new Error("away")),
      reports: () => Promise.reject(new Error("away")),
    };
    const other = reporterOf(broken);
    other.start();
    await pass(4);
    await other.stop();
  });
});
