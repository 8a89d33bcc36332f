import { describe, expect, test } from "bun:test";
import { failure, status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

const OK = { reply: status(200), afterMs: 50 };

/** Endpoints that were trusted with many requests at once, and now hang. */
async function hangingEndpoints(ring: SenderRing, ids: readonly string[]): Promise<void> {
  for (const id of ids) ring.transport.at(urlOf(id), () => ({ reply: status(200) }));
  for (const id of ids) ring.addMany(60, id);
  await ring.runUntil(
    () => ids.every((id) => ring.state(id)?.limit === 16) && ring.queue.size === 0,
  );
  for (const id of ids) ring.transport.at(urlOf(id), () => undefined);
  for (const id of ids) ring.addMany(30, id, { timeoutMs: 30_000 });
}

describe("20 endpoints that hang", () => {
  test("never hold all slots, and a healthy one is served as if they were not there (soketi: one holds the only worker)", async () => {
    const ring = new SenderRing({ settings: { slots: 50 } });
    const dead = Array.from({ length: 20 }, (_, i) => `${i}/dead`);
    await hangingEndpoints(ring, dead);
    await happened();
    ring.transport.at(urlOf("healthy/w"), () => OK);
    let slowestMs = 0;
    for (let i = 0; i < 800; i++) {
      expect(ring.sender.figures().inFlight).toBeLessThan(50);
      const job = ring.add("healthy/w");
      const beganMs = ring.clock.elapsedMs();
      await ring.runUntil(() => ring.queue.held(job.id) === undefined, 1_000);
      slowestMs = Math.max(slowestMs, ring.clock.elapsedMs() - beganMs);
    }
    expect(slowestMs).toBeLessThanOrEqual(100);
    expect(ring.transport.to(urlOf("0/dead")).length).toBeGreaterThan(60);
  });

  test("soon hold no slots at all but for their probes", async () => {
    const ring = new SenderRing({ settings: { slots: 50 } });
    const dead = Array.from({ length: 20 }, (_, i) => `${i}/dead`);
    await hangingEndpoints(ring, dead);
    await ring.run(31_000);
    expect(ring.sender.figures().inFlight).toBeLessThanOrEqual(25);
    await ring.run(34_000);
    expect(ring.sender.figures().openBreakers).toBe(20);
    for (const id of dead) expect(ring.transport.openTo(urlOf(id))).toBeLessThanOrEqual(1);
  });
});

describe("the slots", () => {
  test("go to one app by half at most, however many endpoints it has", async () => {
    const ring = new SenderRing({ settings: { slots: 100 } });
    for (let i = 0; i < 200; i++) ring.addMany(5, `flood/w${i}`);
    await ring.run(1_000);
    expect(ring.sender.figures().inFlight).toBe(50);
    ring.add("other/w");
    await happened();
    expect(ring.transport.openTo(urlOf("other/w"))).toBe(1);
  });

  test("stay within the halves while they are freed and taken in any order", async () => {
    const ring = new SenderRing({ settings: { slots: 40 } });
    for (let i = 0; i < 60; i++) ring.addMany(20, `flood/w${i}`);
    for (let i = 0; i < 500; i++) {
      await happened();
      const { open } = ring.transport;
      expect(open.length).toBeLessThanOrEqual(20);
      open[(i * 7) % open.length]!.end(status(200));
      if (i % 3 === 0) open[(i * 5) % open.length]!.end(status(200));
    }
  });

  test("go to apps in turn when all want more than there is", async () => {
    const ring = new SenderRing({ settings: { slots: 40 } });
    const apps = ["1", "2", "3"];
    for (const app of apps) for (let i = 0; i < 30; i++) ring.addMany(20, `${app}/w${i}`);
    await happened();
    const held = apps.map(
      (app) => ring.sender.figures().apps.find(({ appId }) => appId === app)!.inFlight,
    );
    expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(1);
    expect(Math.min(...held)).toBe(10);
  });

  test("are all one, and still serve", async () => {
    const ring = new SenderRing({ settings: { slots: 1 } });
    for (const id of ["1/w", "2/w"]) {
      ring.transport.at(urlOf(id), () => OK);
      ring.addMany(5, id);
    }
    await ring.runUntil(() => ring.queue.delivered.length === 10, 2_000);
  });
});

describe("an endpoint that keeps failing", () => {
  /** As many jobs as are needed, each failing once. */
  async function failing(count: number, reply = failure("timeout")): Promise<SenderRing> {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply }));
    for (let i = 0; i < count; i++) {
      ring.add();
      await happened();
    }
    return ring;
  }

  test("is left alone after 3 requests in a row that nobody answered", async () => {
    const ring = await failing(20);
    expect(ring.transport.requests).toHaveLength(3);
    expect(ring.state()).toMatchObject({ breaker: "open", consecutiveFailures: 3, inFlight: 0 });
    expect(ring.messages("warn")).toEqual([
      "a webhook's endpoint keeps failing, and is left alone",
    ]);
  });

  test("is left alone after 10 answers in a row that say no", async () => {
    const ring = await failing(20, status(500));
    expect(ring.transport.requests).toHaveLength(10);
  });

  test("costs nothing while its jobs wait: no lease, no slot, no request", async () => {
    const ring = await failing(20);
    await ring.run(4_500);
    expect(ring.transport.requests).toHaveLength(3);
    expect(ring.queue.leased).toBe(0);
    expect(ring.sender.figures().inFlight).toBe(0);
  });

  test("gets one probe at a time, after 5 s, then ever later up to a minute", async () => {
    const ring = await failing(3);
    ring.addMany(100, "1/w", { retryWindowMs: 3 * 86_400_000 });
    await ring.run(600_000);
    const [, , third = 0, ...probes] = ring.transport.requests.map(({ atMs }) => atMs);
    const gaps = probes.map((at, i) => (at - (probes[i - 1] ?? third)) / 1_000);
    expect(gaps.slice(0, 6).map((gap) => Math.round(gap))).toEqual([5, 10, 20, 40, 60, 60]);
    expect(Math.max(...gaps)).toBeLessThan(60.5);
  });

  test("is served in full again when a probe succeeds", async () => {
    const ring = await failing(3);
    ring.addMany(50);
    ring.transport.at(urlOf("1/w"), () => OK);
    await ring.runUntil(() => ring.queue.size === 0, 20_000);
    expect(ring.state()).toMatchObject({ breaker: "closed", consecutiveFailures: 0, limit: 16 });
    expect(ring.messages("info")).toEqual(["a webhook's endpoint is back"]);
  });

  test("has what waited longer than its window buried with each failed probe, and only that", async () => {
    const ring = await failing(3);
    const short = ring.addMany(20, "1/w", { retryWindowMs: 30_000 });
    const long = ring.addMany(20, "1/w", { retryWindowMs: 3_600_000 });
    await ring.run(20_000);
    expect(ring.queue.dead).toEqual([]);
    await ring.run(100_000);
    const dead = new Set(ring.queue.dead.map(({ job }) => job.id));
    // A probe takes one of them out of the queue for a while, and gives it back with a later time.
    expect(short.filter(({ id }) => dead.has(id)).length).toBeGreaterThan(15);
    expect(long.filter(({ id }) => dead.has(id))).toEqual([]);
    expect(ring.queue.dead[0]!.reason).toMatch(/^the endpoint has been down for \d+ s$/);
    expect(ring.sender.figures().apps[0]!.buried).toBe(ring.queue.dead.length);
  });

  test("has the queue searched for such jobs by failed probes alone", async () => {
    const ring = await failing(3);
    ring.addMany(20);
    expect(ring.troubled.called("expire")).toBe(0);
    await ring.run(40_000);
    expect(ring.troubled.called("expire")).toBe(ring.transport.requests.length - 3);
    expect(ring.troubled.called("expire")).toBe(3);
  });

  test("is probed again at once when the address guard refused the probe, which tells nothing of it", async () => {
    const ring = await failing(3);
    ring.transport.at(urlOf("1/w"), () => ({ reply: failure("address") }));
    ring.addMany(5);
    await ring.run(6_000);
    expect(ring.queue.dead.length).toBeGreaterThanOrEqual(5);
    ring.transport.at(urlOf("1/w"), () => OK);
    ring.add();
    await ring.run(500);
    expect(ring.state()).toMatchObject({ breaker: "closed" });
  });

  test("has nothing buried because the wall clock jumped while it was down", async () => {
    const ring = await failing(3);
    ring.addMany(20, "1/w", { createdAtMs: ring.clock.now() + 86_400_000 });
    ring.clock.jumpWall(86_400_000);
    await ring.run(60_000);
    expect(ring.queue.dead).toEqual([]);
  });

  test("does not count what began before it was left alone, neither for it nor against it", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200) }));
    ring.addMany(60);
    await ring.runUntil(() => ring.state()?.limit === 16);
    ring.transport.at(urlOf("1/w"), () => undefined);
    ring.addMany(8);
    await happened();
    const open = ring.transport.open;
    expect(open).toHaveLength(8);
    for (const request of open.slice(0, 3)) request.end(failure("connection"));
    await happened();
    expect(ring.state()).toMatchObject({ breaker: "open", consecutiveFailures: 3 });
    open[3]!.end(status(200));
    for (const request of open.slice(4)) request.end(failure("connection"));
    await happened();
    expect(ring.state()).toMatchObject({ breaker: "open", consecutiveFailures: 3 });
  });

  test("has given back at once what was leased for it in the moment in which it was left alone", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200) }));
    ring.addMany(60);
    await ring.runUntil(() => ring.state()?.limit === 16);
    ring.transport.at(urlOf("1/w"), () => undefined);
    ring.addMany(3);
    await happened();
    ring.troubled.gate("lease").shut();
    const late = ring.add();
    await happened();
    for (const request of ring.transport.open) request.end(failure("refused"));
    await happened();
    const sent = ring.transport.requests.length;
    expect(ring.queue.leased).toBe(1);
    ring.troubled.gate("lease").open();
    await happened();
    expect(ring.queue.outcomes.at(-1)).toEqual({
      jobId: late.id,
      outcome: { kind: "returned", delayMs: 0 },
    });
    expect(ring.queue.leased).toBe(0);
    expect(ring.transport.requests).toHaveLength(sent);
  });

  test("is known by each sender for itself", async () => {
    const one = await failing(3);
    const other = new SenderRing({ clock: one.clock, queue: one.queue });
    one.add();
    await other.run(100);
    expect(one.transport.requests).toHaveLength(3);
    expect(other.transport.requests).toHaveLength(1);
  });
});
