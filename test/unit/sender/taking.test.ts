import { describe, expect, test } from "bun:test";
import { status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

const OK = { reply: status(200) };

describe("a sender", () => {
  test("sends a job when it is due, as the job says, and deletes it when it is delivered", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => OK);
    const job = ring.add("1/w", { timeoutMs: 2_500 });
    await happened();
    expect(ring.transport.requests).toMatchObject([
      { url: job.url, body: job.body, timeoutMs: 2_500 },
    ]);
    expect(ring.queue.delivered).toEqual([job.id]);
    expect(ring.queue.size).toBe(0);
  });

  test("finds a job whose hint was missed within a second", async () => {
    const ring = new SenderRing();
    await ring.run(1_000);
    ring.queue.addSilently(ring.job());
    await ring.run(1_000);
    expect(ring.transport.requests).toHaveLength(1);
  });

  test("sends nothing before it is started, and once when it is started twice", async () => {
    const ring = new SenderRing({ isStopped: true });
    ring.transport.at(urlOf("1/w"), () => OK);
    ring.add();
    await ring.run(2_000);
    expect(ring.transport.requests).toEqual([]);
    ring.sender.start();
    ring.sender.start();
    await happened();
    expect(ring.queue.delivered).toHaveLength(1);
    expect(ring.clock.pending).toBeLessThanOrEqual(2);
  });

  test("has one lease call under way at most, however often it is woken", async () => {
    const ring = new SenderRing();
    await happened();
    const before = ring.troubled.called("lease");
    ring.troubled.gate("lease").shut();
    for (let i = 0; i < 20; i++) ring.add(`${i}/w`);
    await ring.run(5_000);
    expect(ring.troubled.called("lease")).toBe(before + 1);
    ring.troubled.gate("lease").open();
    await happened();
    expect(ring.transport.requests).toHaveLength(20);
  });

  test("asks for nothing more while all slots are taken", async () => {
    const ring = new SenderRing({ settings: { slots: 4 } });
    for (let i = 0; i < 9; i++) ring.add(`${i}/w`);
    await ring.run(1_000);
    expect(ring.transport.open).toHaveLength(4);
    expect(ring.queue.leased).toBe(4);
  });

  test("does not look at an empty queue again for each slot that is freed", async () => {
    const ring = new SenderRing({ settings: { endpointConcurrency: 1 } });
    for (let i = 0; i < 10; i++) ring.add(`${i}/w`);
    await happened();
    // All are under way; the turn finds that nothing else is due.
    await ring.run(250);
    const before = ring.troubled.called("lease");
    for (const request of ring.transport.open) {
      request.end(status(200));
      await happened();
    }
    expect(ring.queue.delivered).toHaveLength(10);
    expect(ring.troubled.called("lease")).toBe(before);
  });
});

describe("a slot that is freed", () => {
  test("is filled at once, although all others are still taken (sqs-consumer: a batch waits for its slowest)", async () => {
    const ring = new SenderRing({ settings: { slots: 3 } });
    const slow = ["1/slow", "2/slow"];
    for (const id of slow) ring.add(id, { timeoutMs: 30_000 });
    await happened();
    ring.transport.at(urlOf("3/quick"), () => ({ reply: status(200), afterMs: 10 }));
    ring.addMany(100, "3/quick");
    // One after the other through the last slot, without a pause in between.
    for (let i = 0; i < 100; i++) {
      await happened();
      ring.clock.advance(10);
    }
    await happened();
    expect(ring.queue.delivered).toHaveLength(100);
    expect(slow.map((id) => ring.transport.openTo(urlOf(id)))).toEqual([1, 1]);
  });

  test("is filled at once also when the sender has looked meanwhile and had none", async () => {
    const ring = new SenderRing({ settings: { slots: 2 } });
    for (const id of ["1/w", "2/w", "3/w"]) ring.add(id);
    await ring.run(1_000);
    expect(ring.transport.requests).toHaveLength(2);
    ring.transport.open[0]!.end(status(200));
    await happened();
    expect(ring.transport.requests).toHaveLength(3);
  });

  test("is free when the request has ended, not when the queue has noted it", async () => {
    const ring = new SenderRing({ settings: { slots: 2 } });
    ring.troubled.gate("settle").shut();
    ring.transport.at(urlOf("1/w"), () => OK);
    ring.addMany(2);
    await happened();
    expect(ring.queue.leased + ring.queue.delivered.length).toBe(2);
    expect(ring.sender.figures().inFlight).toBe(0);
    expect(ring.transport.requests).toHaveLength(2);
  });

  test("is not filled for ever by a queue that leases but never notes an outcome", async () => {
    const ring = new SenderRing({ settings: { slots: 10 } });
    ring.troubled.gate("settle").shut();
    for (let i = 0; i < 100; i++) {
      ring.transport.at(urlOf(`${i}/w`), () => OK);
      ring.add(`${i}/w`);
    }
    await ring.run(3_000);
    expect(ring.transport.requests.length).toBeLessThan(30);
    ring.troubled.gate("settle").open();
    await ring.runUntil(() => ring.queue.delivered.length === 100, 5_000);
  });
});

describe("the jobs of an endpoint", () => {
  test("are sent two at once at first, and twice as many with each round that succeeds", async () => {
    const ring = new SenderRing({ settings: { slots: 1_000, endpointConcurrency: 16 } });
    ring.addMany(200);
    const rounds: number[] = [];
    for (let i = 0; i < 6; i++) {
      await happened();
      const { open } = ring.transport;
      rounds.push(open.length);
      for (const request of open) request.end(status(204));
    }
    // A slot is refilled at once, so within a round the limit grows already.
    expect(rounds[0]).toBe(2);
    expect(Math.max(...rounds)).toBe(16);
    for (const [i, round] of rounds.entries())
      expect(round).toBeLessThanOrEqual(Math.min(16, 2 * 2 ** i));
  });

  test("are never more at once than the process allows, were it only one", async () => {
    const ring = new SenderRing({ settings: { endpointConcurrency: 1 } });
    ring.addMany(10);
    for (let i = 0; i < 10; i++) {
      await happened();
      expect(ring.transport.open).toHaveLength(1);
      ring.transport.open[0]!.end(status(200));
    }
  });

  test("are sent half as many at once after a failure, never fewer than one", async () => {
    const ring = new SenderRing();
    ring.addMany(100);
    while (ring.state()?.limit !== 16) {
      await happened();
      for (const request of ring.transport.open) request.end(status(200));
    }
    const limits: (number | undefined)[] = [];
    for (let i = 0; i < 6; i++) {
      await happened();
      ring.transport.open[0]!.end(status(500));
      await happened();
      limits.push(ring.state()?.limit);
    }
    expect(limits).toEqual([8, 4, 2, 1, 1, 1]);
    expect(ring.transport.open.length).toBeLessThanOrEqual(16);
  });
});
