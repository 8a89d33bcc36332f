import { describe, expect, test } from "bun:test";
import { status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

/** Tells when it is done, without waiting for it. */
function watched(promise: Promise<void>): { isDone: boolean } {
  const watch = { isDone: false };
  void promise.then(() => (watch.isDone = true));
  return watch;
}

describe("a sender that drains", () => {
  test("is done at once when nothing is under way", async () => {
    const ring = new SenderRing();
    await happened();
    const drain = watched(ring.sender.drain());
    await happened();
    expect(drain.isDone).toBe(true);
  });

  test("is done at once when it was never started, and does not start any more", async () => {
    const ring = new SenderRing({ isStopped: true });
    await ring.sender.drain();
    ring.sender.start();
    ring.add();
    await ring.run(2_000);
    expect(ring.transport.requests).toEqual([]);
  });

  test("takes no more jobs", async () => {
    const ring = new SenderRing();
    ring.addMany(10);
    await happened();
    void ring.sender.drain();
    await ring.run(100);
    const sent = ring.transport.requests.length;
    for (const request of ring.transport.open) request.end(status(200));
    ring.addMany(10);
    await ring.run(3_000);
    expect(ring.transport.requests).toHaveLength(sent);
  });

  test("lets requests under way end, and their outcomes count", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200), afterMs: 3_000 }));
    ring.addMany(2);
    await happened();
    const drain = watched(ring.sender.drain());
    await ring.run(2_900);
    expect(drain.isDone).toBe(false);
    await ring.run(150);
    expect(drain.isDone).toBe(true);
    expect(ring.queue.delivered).toHaveLength(2);
    expect(ring.transport.aborts).toBe(0);
  });

  test("cuts off what takes longer than the timeout, and gives it back uncounted (misk: our aborts are no failures)", async () => {
    const ring = new SenderRing({ settings: { stopTimeoutMs: 5_000 } });
    const jobs = ring.addMany(2, "1/w", { timeoutMs: 30_000 });
    await happened();
    const drain = watched(ring.sender.drain());
    await ring.run(4_950);
    expect(ring.transport.aborts).toBe(0);
    await ring.run(100);
    expect(drain.isDone).toBe(true);
    expect(ring.transport.aborts).toBe(1);
    for (const { id } of jobs) {
      expect(ring.queue.held(id)).toMatchObject({ attempts: 0, spentMs: 0, token: 0 });
      expect(ring.queue.held(id)!.dueAtMs).toBeLessThanOrEqual(ring.clock.now());
    }
    expect(ring.log.recorded.map(({ result }) => result)).toEqual(["shutdown", "shutdown"]);
    expect(ring.state()).toMatchObject({ breaker: "closed", consecutiveFailures: 0 });
  });

  test("gives back at once what a lease call that was under way still brings (shoryuken: invisible until it times out)", async () => {
    const ring = new SenderRing();
    await happened();
    ring.troubled.gate("lease").shut();
    const job = ring.add();
    await happened();
    expect(ring.queue.leased).toBe(1);
    const drain = watched(ring.sender.drain());
    await happened();
    expect(drain.isDone).toBe(false);
    ring.troubled.gate("lease").open();
    await happened();
    expect(drain.isDone).toBe(true);
    expect(ring.queue.leased).toBe(0);
    expect(ring.transport.requests).toEqual([]);
    expect(ring.queue.outcomes).toEqual([
      { jobId: job.id, outcome: { kind: "returned", delayMs: 0 } },
    ]);
  });

  test("renews the leases of what is under way", async () => {
    const ring = new SenderRing({ settings: { stopTimeoutMs: 30_000 } });
    ring.add("1/w", { timeoutMs: 28_000 });
    await happened();
    void ring.sender.drain();
    const other = new SenderRing({ clock: ring.clock, queue: ring.queue });
    await ring.run(25_000);
    expect(other.transport.requests).toEqual([]);
  });

  test("goes on telling outcomes to a queue that fails for a moment", async () => {
    const ring = new SenderRing();
    ring.addMany(2);
    await happened();
    ring.troubled.failAll();
    const drain = watched(ring.sender.drain());
    for (const request of ring.transport.open) request.end(status(200));
    await ring.run(2_000);
    expect(drain.isDone).toBe(false);
    ring.troubled.mend();
    await ring.run(4_000);
    expect(drain.isDone).toBe(true);
    expect(ring.queue.delivered).toHaveLength(2);
    expect(ring.messages("info")).toEqual(["the job queue works again"]);
  });

  test("waits for the queue to take what it gives back", async () => {
    const ring = new SenderRing({ settings: { stopTimeoutMs: 1_000 } });
    ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    ring.troubled.gate("settle").shut();
    const drain = watched(ring.sender.drain());
    await ring.run(4_000);
    expect(ring.transport.aborts).toBe(1);
    expect(drain.isDone).toBe(false);
    ring.troubled.gate("settle").open();
    await happened();
    expect(drain.isDone).toBe(true);
    expect(ring.messages("warn")).toEqual([]);
  });

  test("does not wait for ever for a queue that fails, or does not answer", async () => {
    for (const trouble of ["fail", "hang"] as const) {
      const ring = new SenderRing({ settings: { stopTimeoutMs: 5_000 } });
      ring.addMany(2, "1/w", { timeoutMs: 30_000 });
      await happened();
      if (trouble === "fail") ring.troubled.failAll();
      else ring.troubled.gate("settle").shut();
      const drain = watched(ring.sender.drain());
      await ring.run(10_100);
      expect(drain.isDone).toBe(true);
      expect(ring.messages("warn")).toEqual([
        "jobs could not be given back; their leases end by themselves",
      ]);
    }
  });

  test("answers every call with the same end", async () => {
    const ring = new SenderRing();
    await happened();
    expect(ring.sender.drain()).toBe(ring.sender.drain());
  });
});

describe("a sender that is closed", () => {
  test("leaves no timer behind and looks no more", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200) }));
    ring.addMany(10);
    await happened();
    await ring.sender.drain();
    await ring.sender.close();
    await ring.sender.close();
    expect(ring.clock.pending).toBe(0);
    const looked = ring.troubled.called("lease");
    ring.add();
    await ring.run(10_000);
    expect(ring.troubled.called("lease")).toBe(looked);
  });

  test("in the middle of an outage leaves no timer behind either", async () => {
    const ring = new SenderRing();
    ring.add("1/w", { timeoutMs: 1_000 });
    ring.add("2/w", { timeoutMs: 6_000 });
    await happened();
    ring.troubled.failAll();
    await ring.run(3_000);
    await ring.sender.close();
    // The second is cut off only now, and the queue does not take that either.
    await ring.run(10_000);
    expect(ring.clock.pending).toBe(0);
  });

  test("cuts off what is under way if it was not drained", async () => {
    const ring = new SenderRing();
    ring.add("1/w", { timeoutMs: 30_000 });
    await happened();
    await ring.sender.close();
    expect(ring.transport.aborts).toBe(1);
  });
});
