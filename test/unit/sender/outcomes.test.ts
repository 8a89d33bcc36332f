import { describe, expect, test } from "bun:test";
import type { WebhookReply } from "../../../src/sender/transport.ts";
import { failure, status } from "../../support/sender-doubles.ts";
import { SenderRing, happened, urlOf } from "../../support/sender-ring.ts";

const URL = urlOf("1/w");

/** A ring with one job, whose first attempts are answered so; later ones with 200. */
async function attempted(...replies: WebhookReply[]): Promise<SenderRing> {
  const ring = new SenderRing();
  ring.transport.at(URL, () => ({ reply: replies.shift() ?? status(200) }));
  ring.add();
  await happened();
  return ring;
}

describe("an answer", () => {
  test.each([200, 201, 204, 299])("of %d means that the webhook is delivered", async (code) => {
    const ring = await attempted(status(code));
    expect(ring.queue.delivered).toHaveLength(1);
  });

  test.each([100, 199, 300, 301, 302, 307, 400, 401, 404, 408, 422, 429, 500, 503, 599])(
    "of %d means that it is tried again (soketi, Sockudo: never, or for some statuses only)",
    async (code) => {
      const ring = await attempted(status(code));
      expect(ring.queue.outcomes).toMatchObject([
        { outcome: { kind: "retry", delayMs: 1_000, spentMs: 1_000 } },
      ]);
      await ring.run(1_500);
      expect(ring.queue.delivered).toHaveLength(1);
    },
  );

  test("of 500 again and again and then 200 delivers the webhook (soketi: one request, and it is lost)", async () => {
    const ring = await attempted(...Array.from({ length: 7 }, () => status(500)));
    await ring.runUntil(() => ring.queue.delivered.length === 1, 240_000);
    expect(ring.transport.requests).toHaveLength(8);
    expect(ring.log.recorded.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe("a failure", () => {
  test.each(["timeout", "refused", "connection", "tls"] as const)(
    "of the receiver (%s) is an attempt that counts",
    async (result) => {
      const ring = await attempted(failure(result));
      expect(ring.queue.outcomes).toMatchObject([{ outcome: { kind: "retry" } }]);
      expect([...ring.log.recorded]).toMatchObject([{ result, attempt: 1, status: null }]);
      await ring.run(1_500);
      expect(ring.log.recorded[1]).toMatchObject({ result: "delivered", attempt: 2 });
    },
  );

  test("is tried again for 5 minutes of waiting and trying, once more at their end, and then buried", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(500), afterMs: 100 }));
    const job = ring.add();
    const began = ring.clock.elapsedMs();
    await ring.runUntil(() => ring.queue.dead.length === 1);
    const starts = ring.transport.requests.map(({ atMs }) => atMs - began);
    const gaps = starts.slice(1).map((at, i) => at - starts[i]!);
    expect(gaps.slice(0, 6).map((gap) => Math.round(gap / 1_000))).toEqual([1, 2, 4, 8, 16, 32]);
    expect(Math.max(...gaps)).toBeLessThan(61_000);
    expect(ring.queue.dead).toMatchObject([
      { job: { id: job.id }, attempts: starts.length, spentMs: 300_100 },
    ]);
    expect(ring.queue.dead[0]!.reason).toBe(`status 500, tried ${starts.length} times in 300 s`);
    expect(ring.messages("warn")).toContain("a webhook was given up");
  });

  test("is not tried again where the window is nothing", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: failure("refused") }));
    ring.add("1/w", { retryWindowMs: 0 });
    await ring.run(5_000);
    expect(ring.transport.requests).toHaveLength(1);
    expect(ring.queue.dead).toMatchObject([{ reason: "refused, tried once", attempts: 1 }]);
  });

  test("waits for its next attempt without a slot, a lease or a timer (Sockudo, pylon: 20 dead events block all tenants)", async () => {
    const ring = new SenderRing({ settings: { slots: 4 } });
    ring.transport.at(URL, () => ({ reply: status(500) }));
    const timers = ring.clock.pending;
    ring.addMany(2);
    await happened();
    expect(ring.sender.figures().inFlight).toBe(0);
    expect(ring.queue.leased).toBe(0);
    expect(ring.queue.size).toBe(2);
    expect(ring.clock.pending).toBe(timers);
  });

  test("uses up the window by waiting and trying, not by what the wall clock says", async () => {
    const ring = await attempted(status(500), status(500));
    ring.clock.jumpWall(10 * 86_400_000);
    await ring.runUntil(() => ring.queue.delivered.length === 1, 30_000);
    expect(ring.transport.requests).toHaveLength(3);
    expect(ring.queue.dead).toEqual([]);
  });
});

describe("Retry-After", () => {
  const delayOf = async (code: number, header: string) => {
    const ring = await attempted(status(code, header));
    const [first] = ring.queue.outcomes;
    return first?.outcome.kind === "retry" ? first.outcome.delayMs : undefined;
  };

  test.each([429, 503, 500, 302])("of a %d is waited for", async (code) => {
    expect(await delayOf(code, "20")).toBe(20_000);
  });

  test("may be a date", async () => {
    const ring = new SenderRing();
    const at = new Date(Math.floor(ring.clock.now() / 1_000) * 1_000 + 90_000).toUTCString();
    ring.transport.at(URL, () => ({ reply: status(503, at) }));
    ring.add();
    await happened();
    expect(ring.queue.outcomes).toMatchObject([
      { outcome: { kind: "retry", delayMs: Date.parse(at) - ring.clock.now() } },
    ]);
  });

  test.each(["", "soon", "-5", "0", "1e3", "Wed, 21 Oct 2015 07:28:00 GMT", "0x10"])(
    "of %p changes nothing",
    async (header) => {
      expect(await delayOf(429, header)).toBe(1_000);
    },
  );

  test("leads beyond neither the window nor an hour", async () => {
    expect(await delayOf(429, "99999999999999999999")).toBe(300_000);
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(429, "86400") }));
    ring.add("1/w", { retryWindowMs: 3 * 86_400_000 });
    await happened();
    expect(ring.queue.outcomes).toMatchObject([{ outcome: { delayMs: 3_600_000 } }]);
  });
});

describe("410 Gone", () => {
  test("pauses the endpoint, and the job is there when it is resumed", async () => {
    const ring = await attempted(status(410));
    expect([...ring.queue.paused]).toEqual([["1/w", "410 Gone"]]);
    expect(ring.logged).toContainEqual({
      level: "warn",
      fields: {
        appId: "1",
        webhookId: "w",
        jobId: "job_1",
        attempt: 1,
        result: "status",
        status: 410,
      },
      message:
        "a webhook's endpoint says that it is gone; its webhooks wait until somebody resumes it",
    });
    await ring.run(86_400_000 / 100);
    expect(ring.transport.requests).toHaveLength(1);
    ring.queue.resume("1/w");
    await ring.run(1_000);
    expect(ring.queue.delivered).toHaveLength(1);
    expect(ring.log.recorded.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test("is told once for all that were under way together, and again when it is resumed in vain", async () => {
    const ring = new SenderRing();
    ring.addMany(2);
    await ring.run(100);
    for (const request of ring.transport.open) request.end(status(410));
    await happened();
    expect(ring.troubled.called("pause")).toBe(1);
    ring.queue.resume("1/w");
    await ring.run(1_500);
    ring.transport.open[0]!.end(status(410));
    await happened();
    expect(ring.troubled.called("pause")).toBe(2);
    expect([...ring.queue.paused.keys()]).toEqual(["1/w"]);
  });

  test("pauses it with the next one when the queue failed to", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(410) }));
    ring.troubled.fail("pause");
    ring.add();
    await happened();
    expect(ring.queue.paused.size).toBe(0);
    ring.troubled.mend();
    await ring.run(2_000);
    expect([...ring.queue.paused.keys()]).toEqual(["1/w"]);
  });
});

test("an address that the guard refuses buries the job at once, with the reason, and costs the endpoint nothing", async () => {
  const ring = await attempted(failure("address", "10.0.0.1 is a private address"));
  expect(ring.queue.dead).toMatchObject([
    {
      reason: "the address is not allowed: 10.0.0.1 is a private address",
      attempts: 0,
      spentMs: 0,
    },
  ]);
  expect(ring.state()).toMatchObject({ breaker: "closed", limit: 2, consecutiveFailures: 0 });
});

describe("every attempt is recorded", () => {
  test("with all that people ask for", async () => {
    const ring = new SenderRing();
    ring.transport.at(URL, () => ({ reply: status(500), afterMs: 150 }));
    const job = ring.job("1/w", { events: ["channel_occupied", "member_added"] });
    const createdAtMs = ring.clock.now();
    await ring.run(300);
    ring.queue.add(job);
    await ring.run(200);
    expect(ring.log.recorded).toEqual([
      {
        atMs: createdAtMs + 300,
        appId: "1",
        webhookId: "w",
        jobId: job.id,
        events: ["channel_occupied", "member_added"],
        attempt: 1,
        result: "status",
        status: 500,
        durationMs: 150,
        ageMs: 450,
        detail: "body of a 500",
        senderVersion: "1.2.3",
      },
    ]);
  });

  test("without detail when it is delivered", async () => {
    const ring = await attempted(status(200));
    expect(ring.log.recorded).toMatchObject([{ result: "delivered", status: 200, detail: null }]);
  });

  test.each(["dns", "egress", "address"] as const)(
    "also when it does not count (%s)",
    async (result) => {
      const ring = await attempted(failure(result, "why"));
      expect(ring.log.recorded).toMatchObject([
        { result, attempt: 1, status: null, detail: "why" },
      ]);
    },
  );

  test("and a log that is broken keeps nothing from being delivered", async () => {
    const ring = new SenderRing();
    ring.log.isBroken = true;
    ring.transport.at(URL, () => ({ reply: status(200) }));
    ring.add();
    await happened();
    expect(ring.queue.delivered).toHaveLength(1);
    expect(ring.messages("error")).toEqual(["could not record an attempt"]);
  });
});

test("nothing that is logged holds a query, a header, a body or what the receiver said", async () => {
  const ring = new SenderRing();
  const replies = [
    status(500),
    status(410),
    failure("timeout", "secret-detail"),
    failure("dns", "secret-detail"),
    failure("address", "secret-detail"),
  ];
  for (const [i, reply] of replies.entries()) {
    ring.transport.at(urlOf(`${i}/w`), () => ({ reply }));
    ring.addMany(3, `${i}/w`, { retryWindowMs: 20_000, body: "secret-of-the-body" });
  }
  await ring.run(120_000);
  expect(ring.logged.length).toBeGreaterThan(10);
  expect(JSON.stringify(ring.logged)).not.toMatch(/secret|body of|example\.com/);
  expect(ring.messages("error")).toEqual([]);
});

test("a transport that breaks its promise and rejects costs neither the slot nor the job", async () => {
  const ring = new SenderRing();
  ring.transport.send = () => Promise.reject(new Error("a fault"));
  ring.add();
  await happened();
  expect(ring.sender.figures().inFlight).toBe(0);
  expect(ring.queue.outcomes).toMatchObject([{ outcome: { kind: "returned" } }]);
  expect(ring.messages("error")).toEqual(["the transport failed"]);
});
