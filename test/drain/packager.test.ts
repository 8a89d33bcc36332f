import assert from "node:assert/strict";
import { test } from "node:test";
import { CRASH_SEED } from "../crash/support/chance.ts";
import { Crowd } from "../crash/support/crowd.ts";
import { Customer } from "../crash/support/customer.ts";
import { nothingOwed } from "../e2e/support/nothing-owed.ts";
import type { Ringmaster } from "../e2e/support/ringmaster.ts";
import { eventually } from "../e2e/support/wait.ts";
import { isInstalled } from "../support/redis-server.ts";
import { ownersIn, type Owners } from "./support/owners.ts";
import { Site } from "./support/site.ts";

const ROUNDS = 3;
const PARTITIONS = 64;
const DRAIN = { noticeMs: 0, windowMs: 0, deadlineMs: 10_000 };

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

test(
  `A deploy of packagers under joins and leaves: handed over at once, and every event is told (CRASH_SEED=${CRASH_SEED})`,
  { skip },
  async (t) => {
    const customers = await Promise.all([
      Customer.open(true, [{ temper: "healthy" }]),
      Customer.open(false, [{ temper: "healthy" }]),
    ]);
    t.after(() => Promise.all(customers.map((customer) => customer.close())));
    const site = await Site.open(t, { apps: customers.map(({ app }) => app), drain: DRAIN });
    const [channels, , ...packagers] = await Promise.all(
      ["channels", "sender", "packager", "packager"].map((roles) => site.start(roles)),
    );
    const crowds = customers.map(
      (customer) => new Crowd(customer, [channels!.port], { channels: 300, visitors: 24 }),
    );
    t.after(() => Promise.all(crowds.map((crowd) => crowd.leave())));

    for (let round = 0; round < ROUNDS; round++) {
      packagers.push(await site.start("packager"));
      await spread(packagers);
      const old = packagers.shift()!;
      const before = await ownersIn(site.redis);
      assert.equal(before.untilMs.size, packagers.length + 1);
      await site.stop(old);
      const after = await ownersIn(site.redis);
      assert.ok(after.untilMs.size <= packagers.length, "whoever has ended owns nothing any more");

      let now: Owners = after;
      await eventually("all partitions are owned again", async () => {
        now = await ownersIn(site.redis);
        return now.partitions === PARTITIONS;
      });
      const gone = Array.from(before.untilMs.keys()).find((id) => !now.untilMs.has(id));
      const expiryMs = before.untilMs.get(gone ?? "") ?? 0;
      t.diagnostic(
        `round ${round}: all owned by others ${expiryMs - now.nowMs} ms before the old owner's time would have been over`,
      );
      assert.ok(now.nowMs < expiryMs, "nobody waited for the time of the old owner to be over");
      const warnings = old.log.all.filter(({ level }) => level === "warn");
      assert.deepEqual(warnings, []);
      await spread(packagers);
    }

    const truths = await Promise.all(crowds.map((crowd) => crowd.rest()));
    await nothingOwed(channels!);
    for (const [place, customer] of customers.entries()) {
      const { events, webhooks, deliveries } = customer.verify(truths[place]!);
      t.diagnostic(`${events} events in ${webhooks} webhooks, ${deliveries} deliveries`);
      assert.ok(events > 200, "too little happened to say anything");
      assert.equal(deliveries, webhooks, "no webhook came twice");
    }
  },
);

/** Resolves when all partitions have an owner, and each of these has some. */
async function spread(packagers: readonly Ringmaster[]): Promise<void> {
  await eventually("the partitions are spread over all packagers", async () => {
    const counts = await Promise.all(
      packagers.map(async (one) => (await one.metrics()).sum("ringmaster_packager_partitions")),
    );
    return counts.every((count) => count > 0) && sumOf(counts) === PARTITIONS;
  });
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
