import { describe, expect, test } from "bun:test";
import { failure, status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

const URL = urlOf("1/w");

describe("a lease", () => {
  test("lasts as long as its request, however long that takes (Outpost: the claim lapses in mid-delivery, and a copy is sent)", async () => {
    const ring = new SenderRing();
    const other = new SenderRing({ clock: ring.clock, queue: ring.queue, isStopped: true });
    ring.transport.at(URL, () => ({ reply: status(200), afterMs: 29_000 }));
    const job = ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    other.sender.start();
    await ring.run(29_500);
    expect(other.transport.requests).toEqual([]);
    expect(ring.queue.delivered).toEqual([job.id]);
    expect(ring.sender.figures().leasesLost).toBe(0);
  });

  test("of a sender that died ends within ten seconds, and another sends the job", async () => {
    const dead = new SenderRing();
    dead.add("1/w", { timeoutMs: 30_000 });
    await dead.run(3_000);
    await dead.sender.close();
    const other = new SenderRing({ clock: dead.clock, queue: dead.queue });
    other.transport.at(URL, () => ({ reply: status(200) }));
    await other.run(10_500);
    expect(other.queue.delivered).toHaveLength(1);
  });

  test("is not renewed for a request that is short, nor one call for each", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(200), afterMs: 3_000 }));
    ring.addMany(100);
    await ring.run(6_000);
    expect(ring.troubled.called("renew")).toBe(0);
    for (let i = 0; i < 30; i++) ring.add(`${i}/slow`, { timeoutMs: 20_000 });
    await ring.run(6_000);
    expect(ring.troubled.called("renew")).toBeGreaterThan(0);
    expect(ring.troubled.called("renew")).toBeLessThan(10);
  });

  test("is renewed no more when its request is far beyond its own deadline", async () => {
    const ring = new SenderRing();
    // A transport that breaks its promise.
    ring.transport.send = () => new Promise(() => {});
    ring.add("1/w", { timeoutMs: 4_000 });
    await ring.run(14_500);
    const renewals = ring.troubled.called("renew");
    expect(renewals).toBeGreaterThan(2);
    await ring.run(60_000);
    expect(ring.troubled.called("renew")).toBe(renewals);
  });

  test("that another sender has now lets the request end, and its outcome changes nothing", async () => {
    const ring = new SenderRing();
    const job = ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    ring.transport.at(URL, () => ({ reply: status(200) }));
    const other = new SenderRing({ clock: ring.clock, queue: ring.queue, isStopped: true });
    other.transport.at(URL, () => ({ reply: status(200), afterMs: 8_000 }));
    // The process stood still; meanwhile the lease ended and the other one came.
    ring.troubled.gate("lease").shut();
    ring.troubled.fail("renew");
    await ring.run(10_100);
    other.sender.start();
    await other.run(300);
    expect(other.transport.openTo(URL)).toBe(1);
    ring.troubled.mend();
    await ring.run(500);
    expect(ring.sender.figures().leasesLost).toBe(1);
    ring.transport.open[0]!.end(status(500));
    await happened();
    expect(ring.queue.outcomes).toEqual([]);
    await other.run(8_000);
    expect(ring.queue.outcomes).toEqual([{ jobId: job.id, outcome: { kind: "delivered" } }]);
    expect(ring.sender.figures().leasesLost).toBe(1);
  });

  test("that ended while its outcome was on the way is counted too", async () => {
    const ring = new SenderRing();
    const [first, second] = [ring.add(), ring.add()];
    await happened();
    ring.queue.settle = () => Promise.resolve(false);
    for (const request of ring.transport.open) request.end(status(200));
    await happened();
    expect(ring.sender.figures().leasesLost).toBe(2);
    expect([first, second].every(({ id }) => ring.queue.held(id) !== undefined)).toBe(true);
  });

  test("that is renewed in the moment in which its job is settled is not counted as lost", async () => {
    const ring = new SenderRing();
    ring.troubled.gate("renew").shut();
    ring.troubled.gate("settle").shut();
    ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    // Settled in the engine before the renewal comes to it; the answers come in the other order.
    const renew = ring.queue.renew.bind(ring.queue);
    ring.queue.renew = async (leases, leaseMs) => {
      ring.transport.open[0]!.end(status(200));
      await happened();
      return renew(leases, leaseMs);
    };
    await ring.run(4_000);
    expect(ring.queue.delivered).toHaveLength(1);
    ring.troubled.gate("renew").open();
    await happened();
    ring.troubled.gate("settle").open();
    await happened();
    expect(ring.sender.figures().leasesLost).toBe(0);
  });
});

describe("a job that is leased once more while it is under way here", () => {
  /** The wall clock jumps forward by an hour, which ends all leases. */
  async function jumped(): Promise<SenderRing> {
    const ring = new SenderRing();
    ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    ring.clock.jumpWall(3_600_000);
    await ring.run(1_000);
    return ring;
  }

  test("is not sent twice at once", async () => {
    const ring = await jumped();
    expect(ring.transport.requests).toHaveLength(1);
    expect(ring.sender.figures()).toMatchObject({ inFlight: 1, leasesLost: 1 });
  });

  test("is settled under its new lease", async () => {
    const ring = await jumped();
    ring.transport.open[0]!.end(status(200));
    await happened();
    expect(ring.queue.delivered).toHaveLength(1);
    await ring.run(60_000);
    expect(ring.transport.requests).toHaveLength(1);
  });

  test("is settled under its new lease although the old one was being told", async () => {
    const ring = new SenderRing();
    ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    const settle = ring.queue.settle.bind(ring.queue);
    const held: (() => void)[] = [];
    ring.queue.settle = async (lease, outcome) => {
      if (held.length === 0) await new Promise<void>((resolve) => held.push(resolve));
      return settle(lease, outcome);
    };
    ring.transport.open[0]!.end(failure("refused"));
    await happened();
    ring.clock.jumpWall(3_600_000);
    await ring.run(1_000);
    expect(ring.transport.requests).toHaveLength(1);
    held[0]!();
    await happened();
    expect(ring.queue.outcomes).toMatchObject([{ outcome: { kind: "retry" } }]);
    expect(ring.queue.leased).toBe(0);
  });

  test("is given back when the old lease was in time after all", async () => {
    const ring = new SenderRing();
    ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    ring.troubled.gate("settle").shut();
    ring.transport.open[0]!.end(status(500));
    await happened();
    // The queue has noted the failure, and the job is due again, before we know of it.
    ring.clock.jumpWall(3_600_000);
    await ring.run(1_000);
    expect(ring.queue.leased).toBe(1);
    ring.transport.at(URL, () => ({ reply: status(200) }));
    ring.troubled.gate("settle").open();
    await ring.run(500);
    expect(ring.queue.outcomes.map(({ outcome }) => outcome.kind)).toEqual([
      "retry",
      "returned",
      "delivered",
    ]);
    expect(ring.log.recorded.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test("has its new lease renewed", async () => {
    const ring = await jumped();
    const other = new SenderRing({ clock: ring.clock, queue: ring.queue });
    // So that nobody but the other one can take it up.
    ring.troubled.gate("lease").shut();
    await ring.run(25_000);
    expect(other.transport.requests).toEqual([]);
    expect(ring.sender.figures().leasesLost).toBe(1);
  });
});
