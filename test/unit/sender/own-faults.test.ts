import { describe, expect, test } from "bun:test";
import { failure, status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

const URL = urlOf("1/w");
const HOUR_MS = 3_600_000;

describe.each(["dns", "egress"] as const)("a fault of ours (%s)", (result) => {
  test("uses up none of the receiver's attempts, however long it lasts (Outpost: a proxy that is down is not the customer's fault)", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: failure(result) }));
    const job = ring.add();
    await ring.run(2 * HOUR_MS);
    expect(ring.queue.held(job.id)).toMatchObject({ attempts: 0, spentMs: 0 });
    expect(ring.state()).toMatchObject({ breaker: "closed", consecutiveFailures: 0, limit: 2 });
    ring.transport.at(URL, () => ({ reply: status(200) }));
    await ring.run(61_000);
    expect(ring.queue.delivered).toEqual([job.id]);
  });

  test("is tried again after a second, then ever later up to a minute", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: failure(result) }));
    ring.add();
    await ring.run(300_000);
    const at = ring.transport.requests.map(({ atMs }) => atMs);
    const gaps = at.slice(1).map((ms, i) => Math.round((ms - at[i]!) / 1_000));
    expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  test("is over when the receiver answers, whatever it says", async () => {
    const ring = new SenderRing();
    const replies = [failure(result), failure(result), status(500), failure(result)];
    ring.transport.at(URL, () => ({ reply: replies.shift() ?? status(200) }));
    ring.add();
    await ring.run(10_000);
    expect(
      ring.queue.outcomes.map(({ outcome }) => ("delayMs" in outcome ? outcome.delayMs : 0)),
    ).toEqual([1_000, 2_000, 1_000, 1_000, 0]);
  });

  test("keeps the endpoint's other jobs in the queue, where they cost nothing", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: failure(result) }));
    ring.addMany(1_000);
    await ring.run(60_000);
    expect(ring.transport.requests.length).toBeLessThan(12);
    expect(ring.queue.leased).toBe(0);
    ring.transport.at(URL, () => ({ reply: status(200) }));
    await ring.run(61_000);
    expect(ring.queue.delivered).toHaveLength(1_000);
  });

  test("keeps no other endpoint waiting", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: failure(result) }));
    ring.transport.at(urlOf("1/other"), () => ({ reply: status(200) }));
    ring.addMany(50);
    ring.addMany(50, "1/other");
    await happened();
    expect(ring.queue.delivered).toHaveLength(50);
  });

  test("of requests that were under way together counts once", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(200) }));
    ring.addMany(60);
    await ring.runUntil(() => ring.state()?.limit === 16);
    ring.transport.at(URL, () => undefined);
    ring.addMany(16);
    await happened();
    for (const request of ring.transport.open) request.end(failure(result));
    await happened();
    const before = ring.transport.requests.length;
    await ring.run(1_500);
    expect(ring.transport.requests.length - before).toBe(1);
  });

  test("buries a job when it is too old, and has been seen to last", async () => {
    const ring = new SenderRing({ settings: { maxJobAgeMs: HOUR_MS } });
    ring.transport.at(URL, () => ({ reply: failure(result) }));
    const old = ring.addMany(30, "1/w", { createdAtMs: ring.clock.now() - 2 * HOUR_MS });
    const young = ring.addMany(5);
    await ring.run(240_000);
    expect(ring.queue.dead).toEqual([]);
    await ring.runUntil(() => ring.queue.dead.length >= 30);
    await ring.run(200_000);
    expect(ring.queue.dead.map(({ job }) => job.id).toSorted()).toEqual(
      old.map(({ id }) => id).toSorted(),
    );
    expect(ring.queue.dead[0]).toMatchObject({ attempts: 0, spentMs: 0 });
    expect(ring.queue.dead[0]!.reason).toMatch(
      new RegExp(`^could not be sent from here \\(${result}\\), \\d+ s old$`),
    );
    expect(young.every(({ id }) => ring.queue.held(id) !== undefined)).toBe(true);
  });

  test("buries nothing because the wall clock jumped", async () => {
    const ring = new SenderRing({ settings: { maxJobAgeMs: HOUR_MS } });
    ring.transport.at(URL, () => ({ reply: failure(result) }));
    ring.addMany(10);
    ring.clock.jumpWall(365 * 24 * HOUR_MS);
    await ring.run(30_000);
    expect(ring.queue.dead).toEqual([]);
    ring.transport.at(URL, () => ({ reply: status(200) }));
    await ring.run(61_000);
    expect(ring.queue.delivered).toHaveLength(10);
  });

  test("of a breaker's probe neither opens nor closes it", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: failure("refused") }));
    ring.addMany(3);
    await ring.runUntil(() => ring.state()?.breaker === "open");
    ring.transport.at(URL, () => ({ reply: failure(result) }));
    await ring.run(8_000);
    expect(ring.log.recorded.at(-1)).toMatchObject({ result });
    expect(ring.state()).toMatchObject({ breaker: "half-open", consecutiveFailures: 3 });
    ring.transport.at(URL, () => ({ reply: status(200) }));
    await ring.run(20_000);
    expect(ring.state()).toMatchObject({ breaker: "closed" });
    expect(ring.queue.delivered).toHaveLength(3);
  });
});
