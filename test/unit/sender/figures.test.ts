import { describe, expect, test } from "bun:test";
import { failure, status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

describe("the figures", () => {
  test("count attempts by app and result, what is in flight, and what was given up", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200) }));
    ring.transport.at(urlOf("2/w"), () => ({ reply: failure("refused") }));
    ring.addMany(5, "1/w");
    ring.add("2/w", { retryWindowMs: 0 });
    ring.add("2/hangs");
    await happened();
    const { apps, inFlight, slots } = ring.sender.figures();
    expect(slots).toBe(100);
    expect(inFlight).toBe(1);
    expect(apps).toMatchObject([
      { appId: "1", inFlight: 0, buried: 0, attempts: { delivered: 5, refused: 0 } },
      { appId: "2", inFlight: 1, buried: 1, attempts: { delivered: 0, refused: 1 } },
    ]);
  });

  test("tell how long requests take, and how old jobs are when they are delivered", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200), afterMs: 300 }));
    ring.add("1/w", { createdAtMs: ring.clock.now() - 3_700 });
    ring.add("1/w", { createdAtMs: ring.clock.now() + 60_000 });
    await ring.run(1_000);
    const { attemptSeconds, deliveryAgeSeconds } = ring.sender.figures();
    expect(attemptSeconds.sum).toBeCloseTo(0.6);
    expect(attemptSeconds.counts[attemptSeconds.bounds.indexOf(0.5)]).toBe(2);
    expect(deliveryAgeSeconds.counts[deliveryAgeSeconds.bounds.indexOf(5)]).toBe(1);
    // Made on a machine whose clock is ahead.
    expect(deliveryAgeSeconds.counts[0]).toBe(1);
    expect(ring.log.recorded.map(({ ageMs }) => ageMs)).toEqual([4_000, 0]);
  });

  test("put an observation on a bound below it, and one beyond the last apart", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200), afterMs: 30_000 }));
    ring.transport.at(urlOf("2/w"), () => ({ reply: status(200), afterMs: 30_050 }));
    for (const id of ["1/w", "2/w"]) ring.add(id, { timeoutMs: 60_000 });
    await ring.run(31_000);
    const { counts, bounds } = ring.sender.figures().attemptSeconds;
    expect(counts).toHaveLength(bounds.length + 1);
    expect(counts.slice(-2)).toEqual([1, 1]);
  });

  test("leave requests that the receiver never saw out of the times", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: failure("dns") }));
    ring.add();
    await happened();
    expect(ring.sender.figures().attemptSeconds.counts.every((count) => count === 0)).toBe(true);
  });
});

describe("the work done", () => {
  test("counts attempts that the receiver answered, whatever it said, and no others", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200) }));
    ring.transport.at(urlOf("2/w"), () => ({ reply: status(500) }));
    for (const [id, result] of Object.entries({ 3: "timeout", 4: "refused", 5: "dns" } as const))
      ring.transport.at(urlOf(`${id}/w`), () => ({ reply: failure(result) }));
    ring.addMany(3, "1/w");
    for (const id of [2, 3, 4, 5]) ring.add(`${id}/w`, { retryWindowMs: 0 });
    await ring.run(100);
    expect(ring.sender.work().answered).toBe(4);
  });

  test("counts for how long slots were at full load: for one app when it holds half of them", async () => {
    const ring = new SenderRing({ settings: { slots: 8 } });
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200), afterMs: 300 }));
    ring.addMany(2, "1/w");
    await ring.run(200);
    expect(ring.sender.work().slotLoadMs).toBeCloseTo(100);
    await ring.run(10_000);
    expect(ring.sender.work().slotLoadMs).toBeCloseTo(150);
    await ring.run(10_000);
    expect(ring.sender.work().slotLoadMs).toBeCloseTo(150);
  });

  test("is that of full load while any number of apps have more than a sender can do", async () => {
    for (const apps of [1, 2, 3, 7]) {
      const ring = new SenderRing({ settings: { slots: 1_000, endpointConcurrency: 1_000 } });
      for (let app = 0; app < apps; app++) {
        // New endpoints have two requests at once.
        for (let webhook = 0; webhook < 1_000; webhook++) {
          const id = `${app}/${webhook}`;
          ring.transport.at(urlOf(id), () => ({ reply: status(200), afterMs: 100_000 }));
          ring.addMany(2, id, { timeoutMs: 200_000 });
        }
      }
      await ring.run(100);
      const before = ring.sender.work().slotLoadMs;
      await ring.run(1_000);
      const load = (ring.sender.work().slotLoadMs - before) / 1_000;
      expect(load).toBeGreaterThan(0.97);
      expect(load).toBeLessThan(1.03);
    }
  });

  test("leaves out what an endpoint holds that fails, from when that is known", async () => {
    const ring = new SenderRing({ settings: { slots: 8 } });
    ring.transport.at(urlOf("1/hangs"), () => ({ reply: failure("timeout"), afterMs: 4_000 }));
    ring.addMany(50, "1/hangs", { retryWindowMs: 0 });
    await ring.run(60_000);
    // The first two requests, for 4 s: nobody knew.
    expect(ring.sender.work().slotLoadMs).toBeCloseTo(2_000);
    expect(ring.log.recorded.length).toBeGreaterThan(3);
  });
});

describe("an endpoint", () => {
  test("is blocked from when its breaker opens until that is closed", async () => {
    const ring = new SenderRing();
    let isWell = false;
    ring.transport.at(urlOf("1/w"), () => ({ reply: isWell ? status(200) : failure("timeout") }));
    ring.transport.at(urlOf("2/w"), () => ({ reply: status(500) }));
    ring.addMany(20, "1/w");
    ring.add("2/w");
    await ring.run(1_000);
    expect([...ring.sender.blockedEndpoints()]).toEqual(["1/w"]);
    // Half-open: one request may pass, so it is blocked still.
    ring.transport.at(urlOf("1/w"), () => ({ reply: status(200), afterMs: 3_000 }));
    isWell = true;
    await ring.runUntil(() => ring.state("1/w")?.breaker === "half-open");
    expect([...ring.sender.blockedEndpoints()]).toEqual(["1/w"]);
    await ring.runUntil(() => ring.state("1/w")?.breaker === "closed");
    expect([...ring.sender.blockedEndpoints()]).toEqual([]);
  });

  test("shows how it fares", async () => {
    const ring = new SenderRing();
    ring.addMany(4, "1/w");
    ring.transport.at(urlOf("2/x"), () => ({ reply: failure("tls") }));
    for (let i = 0; i < 3; i++) {
      ring.add("2/x");
      await happened();
    }
    expect(ring.sender.endpointStates()).toEqual([
      { endpointId: "1/w", breaker: "closed", inFlight: 2, limit: 2, consecutiveFailures: 0 },
      { endpointId: "2/x", breaker: "open", inFlight: 0, limit: 1, consecutiveFailures: 3 },
    ]);
    expect(ring.sender.figures().openBreakers).toBe(1);
    await ring.run(5_500);
    expect(ring.state("2/x")).toMatchObject({ breaker: "open", consecutiveFailures: 4 });
  });

  test("that is healthy is forgotten after ten minutes without a job, one that is served is not", async () => {
    const ring = new SenderRing();
    for (let i = 0; i < 50; i++) {
      ring.transport.at(urlOf(`${i}/w`), () => ({ reply: status(200) }));
      ring.add(`${i}/w`);
    }
    await ring.run(9 * 60_000);
    expect(ring.sender.endpointStates()).toHaveLength(50);
    ring.add("7/w");
    await ring.run(3 * 60_000);
    expect(ring.sender.endpointStates().map(({ endpointId }) => endpointId)).toEqual(["7/w"]);
  });

  test("that fails is remembered for an hour without a job", async () => {
    const ring = new SenderRing();
    ring.transport.at(urlOf("1/w"), () => ({ reply: failure("refused") }));
    ring.add("1/w", { retryWindowMs: 0 });
    await ring.run(30 * 60_000);
    expect(ring.state()).toMatchObject({ consecutiveFailures: 1 });
    await ring.run(32 * 60_000);
    expect(ring.sender.endpointStates()).toEqual([]);
  });

  test("that is under way is not forgotten, however long that takes", async () => {
    const ring = new SenderRing();
    ring.transport.send = () => new Promise(() => {});
    ring.add();
    await ring.run(70 * 60_000);
    expect(ring.state()).toMatchObject({ inFlight: 1 });
  });
});

test("the loop comes round at least every second, idle or busy", async () => {
  const ring = new SenderRing({ settings: { slots: 2 } });
  ring.transport.at(urlOf("1/w"), () => ({ reply: status(200), afterMs: 50 }));
  for (let i = 0; i < 40; i++) {
    if (i === 10) ring.addMany(500);
    await ring.run(500);
    expect(ring.clock.elapsedMs() - ring.sender.lastTurnMs()).toBeLessThanOrEqual(1_000);
  }
});
