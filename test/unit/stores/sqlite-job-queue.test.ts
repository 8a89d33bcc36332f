import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ids, leaseFrom, testJob } from "../../conformance/job-store.ts";
import { SqliteFiles } from "../../conformance/sqlite-files.ts";
import type { SqliteStore } from "../../../src/stores/sqlite/store.ts";
import type { JobOutcome, LeasedJob } from "../../../src/sender/ports/job-queue.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const RETURNED: JobOutcome = { kind: "returned", delayMs: 0 };
const JOBS = 20;

let clock: FakeClock;
let files: SqliteFiles;
let store: SqliteStore;

beforeEach(async () => {
  clock = new FakeClock();
  files = new SqliteFiles();
  store = files.open(clock);
  for (let i = 0; i < JOBS; i++) await store.desk.add(testJob({ id: `job_${i}` }));
});

afterEach(() => files.close());

async function settle(found: LeasedJob | undefined, outcome: JobOutcome): Promise<void> {
  expect(found !== undefined && (await store.queue.settle(found.lease, outcome))).toBe(true);
}

describe("a job that comes back while others of its endpoint are out", () => {
  test.each([0, 5, 9])(
    "is handed out again, and none of the others is: place %d",
    async (place) => {
      const first = await leaseFrom(store.queue, { max: 10 });
      await settle(first[place], RETURNED);
      const again = await leaseFrom(store.queue, { max: 1 });
      expect(ids(again)).toEqual([`job_${place}`]);
      const rest: string[] = [];
      for (let i = 0; i < JOBS; i++) rest.push(...ids(await leaseFrom(store.queue, { max: 1 })));
      expect(rest).toEqual(Array.from({ length: 10 }, (_, i) => `job_${i + 10}`));
    },
  );

  test("does not hide behind them, however often the queue looks around", async () => {
    const first = await leaseFrom(store.queue, { max: JOBS });
    for (const place of [7, 3, 12]) {
      await settle(first[place], RETURNED);
      clock.advance(700);
      expect(ids(await leaseFrom(store.queue, { max: JOBS }))).toEqual([`job_${place}`]);
      expect(await leaseFrom(store.queue, { max: JOBS })).toEqual([]);
    }
  });

  test("stands before jobs that are new, also after those before it were delivered", async () => {
    const first = await leaseFrom(store.queue, { max: 10 });
    for (const found of first.slice(0, 5)) await settle(found, { kind: "delivered" });
    await settle(first[5], RETURNED);
    clock.advance(700);
    expect(ids(await leaseFrom(store.queue, { max: 3 }))).toEqual(["job_5", "job_10", "job_11"]);
  });
});
