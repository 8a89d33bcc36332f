import { describe, expect, test } from "bun:test";
import { status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

const URL = urlOf("1/w");

describe("while the queue rejects", () => {
  test("it is asked ever more rarely, up to every 5 s (Svix: NOGROUP every 10 ms, and a million log lines)", async () => {
    const ring = new SenderRing();
    await happened();
    ring.troubled.failAll();
    const askedAt: number[] = [];
    const lease = ring.troubled.lease.bind(ring.troubled);
    ring.troubled.lease = (request) => {
      askedAt.push(ring.clock.elapsedMs());
      return lease(request);
    };
    ring.add();
    await ring.run(60_000);
    const gaps = askedAt.slice(1).map((at, i) => at - askedAt[i]!);
    expect(gaps.slice(0, 7)).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000]);
    expect(Math.max(...gaps)).toBe(5_000);
  });

  test("chance adds to the waits, so that all senders do not come back together", async () => {
    const ring = new SenderRing({ random: () => 0.999 });
    await happened();
    ring.troubled.failAll();
    await ring.run(120_000);
    const before = ring.troubled.called("lease");
    await ring.run(60_000);
    expect(ring.troubled.called("lease") - before).toBe(10);
  });

  test("the log tells of it once, and once when it is over", async () => {
    const ring = new SenderRing();
    ring.addMany(16);
    await happened();
    ring.transport.at(URL, () => ({ reply: status(200) }));
    ring.troubled.failAll();
    for (const request of ring.transport.open) request.end(status(200));
    await ring.run(60_000);
    expect(ring.logged.map(({ level }) => level)).toEqual(["error"]);
    ring.troubled.mend();
    await ring.run(6_000);
    expect(ring.logged.map(({ level, message }) => [level, message])).toEqual([
      ["error", "the job queue fails; trying again until it does not"],
      ["info", "the job queue works again"],
    ]);
    ring.troubled.failAll();
    await ring.run(1_000);
    expect(ring.messages("error")).toHaveLength(2);
  });

  test("the loop goes on coming round, and works as soon as the queue does (Outpost: dead after a minute of errors)", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(200) }));
    ring.troubled.failAll();
    ring.add();
    for (let i = 0; i < 100; i++) {
      await ring.run(1_000);
      expect(ring.clock.elapsedMs() - ring.sender.lastTurnMs()).toBeLessThanOrEqual(1_000);
    }
    ring.troubled.mend();
    await ring.run(5_500);
    expect(ring.queue.delivered).toHaveLength(1);
  });

  test("no outcome is lost, and none is told twice", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(200), afterMs: 500 }));
    ring.addMany(2);
    await happened();
    ring.troubled.failAll();
    await ring.run(3_000);
    expect(ring.queue.delivered).toEqual([]);
    ring.troubled.mend();
    await ring.run(5_000);
    expect(ring.queue.delivered).toHaveLength(2);
    expect(ring.transport.requests).toHaveLength(2);
  });

  test("for a minute, and all leases have run out, what was delivered is still not sent again", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(200), afterMs: 500 }));
    ring.addMany(2);
    await happened();
    ring.troubled.failAll();
    await ring.run(60_000);
    ring.troubled.mend();
    await ring.run(10_000);
    expect(ring.queue.delivered).toHaveLength(2);
    expect(ring.transport.requests).toHaveLength(2);
  });

  test("the slots are free when the requests have ended", async () => {
    const ring = new SenderRing();
    ring.addMany(2);
    await happened();
    ring.troubled.failAll();
    for (const request of ring.transport.open) request.end(status(500));
    await happened();
    expect(ring.sender.figures().inFlight).toBe(0);
  });
});

describe("when it takes no outcomes, but leases", () => {
  test("nothing is leased while an outcome waits and its lease lasts", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(200) }));
    ring.troubled.fail("settle");
    ring.addMany(100);
    await ring.run(9_000);
    // Two at first, and what was leased before the first failure was known.
    expect(ring.transport.requests.length).toBeLessThanOrEqual(4);
    ring.troubled.mend();
    await ring.run(6_000);
    expect(ring.queue.delivered).toHaveLength(100);
    expect(new Set(ring.transport.requests.map(({ body }) => body)).size).toBe(100);
    expect(ring.transport.requests).toHaveLength(100);
  });

  test("one outcome that can never be told does not keep all others waiting for ever", async () => {
    const ring = new SenderRing();
    for (const id of ["1/w", "2/w"]) ring.transport.at(urlOf(id), () => ({ reply: status(200) }));
    const cursed = ring.add();
    const settle = ring.queue.settle.bind(ring.queue);
    ring.queue.settle = (lease, outcome) =>
      lease.sequence === 1 ? Promise.reject(new Error("cursed")) : settle(lease, outcome);
    await happened();
    const others = ring.addMany(10, "2/w");
    await ring.run(60_000);
    expect(ring.queue.delivered.toSorted()).toEqual(others.map(({ id }) => id).toSorted());
    expect(ring.logged).toContainEqual({
      level: "error",
      fields: { appId: "1", webhookId: "w", jobId: cursed.id, outcome: "delivered" },
      message: "the job queue does not take the outcome of a job; it will be sent again",
    });
  });
});

test("a queue that does not answer at all shows in the time of the last turn", async () => {
  const ring = new SenderRing();
  await happened();
  ring.troubled.gate("lease").shut();
  await ring.run(250);
  const turnedMs = ring.sender.lastTurnMs();
  await ring.run(30_000);
  expect(ring.sender.lastTurnMs()).toBe(turnedMs);
  ring.troubled.gate("lease").open();
  await ring.run(500);
  expect(ring.clock.elapsedMs() - ring.sender.lastTurnMs()).toBeLessThanOrEqual(1_000);
});

test("a job that was expired or paused in vain costs nothing but the outage", async () => {
  const ring = new SenderRing();
  ring.troubled.fail("expire", "renew");
  ring.transport.at(URL, () => ({ reply: status(500) }));
  ring.addMany(20);
  await ring.run(60_000);
  expect(ring.messages("info").every((message) => message === "the job queue works again")).toBe(
    true,
  );
  ring.troubled.mend();
  ring.transport.at(URL, () => ({ reply: status(200) }));
  await ring.run(120_000);
  expect(ring.queue.delivered).toHaveLength(20);
});
