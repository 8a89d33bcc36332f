import { expect, test } from "bun:test";
import { MemoryJobDesk } from "../../src/stores/memory/job-desk.ts";
import { MemoryJobQueue } from "../../src/stores/memory/job-queue.ts";
import { MemoryJobs } from "../../src/stores/memory/jobs.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { describeJobQueue } from "./job-queue.ts";
import { leaseFrom, only, testJob } from "./job-store.ts";
import { memoryJobStore } from "./memory-job-store.ts";

describeJobQueue("MemoryJobQueue", memoryJobStore);

test("MemoryJobQueue hints when a delayed job's time has come and when a lease ended, and not before", async () => {
  const clock = new FakeClock();
  const jobs = new MemoryJobs(clock);
  const queue = new MemoryJobQueue(jobs);
  jobs.add([testJob(), testJob()]);
  const [failed] = await leaseFrom(queue, { max: 1, leaseMs: 9_000 });
  await queue.settle(failed!.lease, { kind: "retry", delayMs: 3_000, spentMs: 1 });
  await leaseFrom(queue, { leaseMs: 2_000 });
  let hints = 0;
  queue.onDue(() => hints++);
  clock.advance(1_999);
  expect(hints).toBe(0);
  clock.advance(1);
  expect(hints).toBe(1);
  clock.advance(999);
  expect(hints).toBe(1);
  clock.advance(1);
  expect(hints).toBe(2);
  expect(await leaseFrom(queue)).toHaveLength(2);
});

test("MemoryJobQueue keeps no timer when nobody listens, nor when nothing waits", async () => {
  const clock = new FakeClock();
  const jobs = new MemoryJobs(clock);
  const queue = new MemoryJobQueue(jobs);
  const end = queue.onDue(() => {});
  expect(clock.pending).toBe(0);
  jobs.add([testJob(), testJob()]);
  const [first] = await leaseFrom(queue, { max: 1, leaseMs: 1_000 });
  expect(clock.pending).toBe(1);
  await leaseFrom(queue, { max: 1, leaseMs: 500 });
  expect(clock.pending).toBe(1);
  await queue.settle(first!.lease, { kind: "delivered" });
  clock.advance(1_000);
  expect(clock.pending).toBe(0);
  const { lease } = only(await leaseFrom(queue));
  end();
  expect(clock.pending).toBe(0);
  await queue.settle(lease, { kind: "retry", delayMs: 10, spentMs: 1 });
  expect(clock.pending).toBe(0);
});

test("MemoryJobQueue does not hint at the end of a lease that was settled before", async () => {
  const clock = new FakeClock();
  const jobs = new MemoryJobs(clock);
  const queue = new MemoryJobQueue(jobs);
  jobs.add([testJob()]);
  let hints = 0;
  queue.onDue(() => hints++);
  const { lease } = only(await leaseFrom(queue, { leaseMs: 1_000 }));
  await queue.settle(lease, { kind: "delivered" });
  clock.advance(5_000);
  expect(hints).toBe(0);
});

test("MemoryJobQueue keeps nothing of jobs and endpoints that are done", async () => {
  const jobs = new MemoryJobs(new FakeClock());
  const [queue, desk] = [new MemoryJobQueue(jobs), new MemoryJobDesk(jobs)];
  const added = Array.from({ length: 50 }, (_, i) => testJob({ appId: `${i}` }));
  jobs.add(added);
  for (const [i, { lease }] of (await leaseFrom(queue)).entries()) {
    const reason = "gave up";
    await queue.settle(
      lease,
      i % 2 === 0 ? { kind: "delivered" } : { kind: "buried", reason, attempts: 1, spentMs: 1 },
    );
  }
  await desk.prune({ maxAgeMs: 1, maxEntries: 0 });
  expect([...jobs.endpoints]).toEqual([]);
  for (const job of added) expect(await desk.add(job)).toBe(true);
});

test("MemoryJobQueue asks for room of those endpoints alone that have something for it", async () => {
  const jobs = new MemoryJobs(new FakeClock());
  const [queue, desk] = [new MemoryJobQueue(jobs), new MemoryJobDesk(jobs)];
  jobs.add(["leased", "resumed", "paused", "due"].map((webhookId) => testJob({ webhookId })));
  await leaseFrom(queue, { room: (endpointId) => (/leased|resumed/.test(endpointId) ? 1 : 0) });
  await desk.pause("1/paused", "by hand");
  await desk.pause("1/resumed", "by hand");
  await desk.resume("1/resumed");
  const asked: string[] = [];
  await leaseFrom(queue, { max: 9, room: (endpointId) => asked.push(endpointId) });
  expect(new Set(asked)).toEqual(new Set(["1/due"]));
});

test("MemoryJobQueue may be used from within a hint", async () => {
  const jobs = new MemoryJobs(new FakeClock());
  const queue = new MemoryJobQueue(jobs);
  const leases: Promise<number>[] = [];
  queue.onDue(() => leases.push(leaseFrom(queue).then(({ length }) => length)));
  jobs.add([testJob(), testJob(), testJob()]);
  const counts = await Promise.all(leases);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3);
});
