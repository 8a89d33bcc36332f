import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import {
  AdminServer,
  NOW_MS,
  SECRETS,
  senderState,
  testAttempt,
  testJob,
  testWebhook,
} from "../../support/admin-doubles.ts";

const HOUR_MS = 3_600_000;
const APP_SECRET = "hush-app-secret";
const keysNamed = (key: string) => [{ key, secret: APP_SECRET, active: true }];

const SHOP = testApp({
  id: "shop",
  keys: keysNamed("shop-key"),
  webhooks: [testWebhook(), testWebhook({ id: "audit" })],
});
const BLOG = testApp({
  id: "blog",
  keys: keysNamed("blog-key"),
  webhooks: [testWebhook({ id: "audit" }), testWebhook({ id: "posts" })],
});

let server: AdminServer;
beforeEach(() => {
  server = new AdminServer({ apps: [SHOP, BLOG], senderStates: () => [] });
});
afterEach(() => server[Symbol.asyncDispose]());

type Answer = { readonly status: number; readonly body: Record<string, unknown> };

async function get(path: string): Promise<Answer> {
  return answerOf(await server.get(path));
}

async function post(path: string, body: unknown): Promise<Answer> {
  return answerOf(await server.post(path, body));
}

/** Whatever is asked: it is JSON that no cache keeps, and holds no secret. */
async function answerOf(response: Response): Promise<Answer> {
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const text = await response.text();
  expect(text).not.toContain(APP_SECRET);
  for (const [name, secret] of Object.entries(SECRETS)) {
    if (name !== "body") expect(text).not.toContain(secret);
  }
  return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
}

describe("a request that cannot be served gets a sentence", () => {
  test("404 on a path that is not there, with those that are", async () => {
    for (const path of ["/admin/", "/admin/nothing", "/admin/queue/", "/admin/webhooks/orders"]) {
      const { status, body } = await get(path);
      expect([path, status]).toEqual([path, 404]);
      expect(body["error"]).toContain("GET /admin/queue");
    }
  });

  test("405 with Allow for another method", async () => {
    const posted = await server.post("/admin/queue", {});
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET"]);
    const got = await server.get("/admin/webhooks/replay?all=true");
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  });

  test.each([
    ["none", undefined, 415],
    ["that of a form", "application/x-www-form-urlencoded", 415],
    ["plain text", "text/plain", 415],
    ["one that begins like JSON", "application/json-seq", 415],
    ["JSON", "application/json", 200],
    ["JSON with a charset", "Application/JSON; charset=utf-8", 200],
  ])("a body of the type %s", async (_what, type, status) => {
    const response = await fetch(`${server.url}/admin/webhooks/replay`, {
      method: "POST",
      headers: type === undefined ? {} : { "content-type": type },
      body: new TextEncoder().encode('{"all":true}'),
    });
    expect(response.status).toBe(status);
  });

  test("413 for a body of more than 64 KiB, declared or not", async () => {
    const padded = (bytes: number): string => {
      const text = `{"all":true,"since":"${"1".repeat(bytes)}`;
      return `${text.slice(0, bytes - 2)}"}`;
    };
    expect((await post("/admin/webhooks/replay", padded(65_537))).status).toBe(413);
    expect((await post("/admin/webhooks/replay", padded(65_536))).status).toBe(400);
    let parts = 5;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (parts-- > 0) controller.enqueue(new Uint8Array(16_384).fill(32));
        else controller.close();
      },
    });
    const response = await fetch(`${server.url}/admin/webhooks/replay`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: stream,
    });
    expect((await answerOf(response)).status).toBe(413);
    expect((await get("/admin/queue")).status).toBe(200);
  });

  test.each([
    ["", "The body is not JSON"],
    ["{", "The body is not JSON"],
    ["[]", "not a JSON object"],
    ["null", "not a JSON object"],
    ['{"webhook":7}', "webhook must be a text"],
    ['{"webhook":""}', "webhook must be a text of 1 to 200 characters"],
    ['{"all":false}', "all can only be true"],
    ['{"since":"yesterday"}', "since must be a time such as"],
    ['{"since":"2026-01-31T12:00:00"}', "since must be a time such as"],
    ['{"webhok":"orders"}', "There is no parameter webhok here; there are app, webhook"],
    ['{"__proto__":{"all":true}}', "There is no parameter __proto__"],
    ["{}", "Say which"],
    ['{"all":true,"app":"shop"}', "Say which"],
  ])("400 to replay with the body %s", async (text, told) => {
    server.desk.bury(testJob());
    const { status, body } = await post("/admin/webhooks/replay", text);
    expect(status).toBe(400);
    expect(body["error"]).toContain(told);
    expect(server.desk.letters).toHaveLength(1);
  });

  test.each([
    ["/admin/webhooks/attempts?limit=0", "limit must be a whole number from 1 to 1000"],
    ["/admin/webhooks/attempts?limit=1001", "limit must be"],
    ["/admin/webhooks/attempts?limit=ten", "limit must be"],
    ["/admin/webhooks/attempts?failed=yes", "failed must be true or false"],
    ["/admin/webhooks/attempts?since=", "since must be a time"],
    ["/admin/webhooks/attempts?job=a&job=b", "job is given twice"],
    ["/admin/webhooks/attempts?faild=true", "There is no parameter faild here"],
    ["/admin/webhooks/failed?body=true&limit=51", "limit must be at most 50 with body=true"],
    ["/admin/webhooks?webhook=orders", "There is no parameter webhook here; there are app"],
    ["/admin/queue?app=shop", "There is no parameter app here; there is none"],
    ["/admin/webhooks/attempts?app=blog&webhook=shop/orders", "is not a webhook of app blog"],
  ])("400 on %s", async (path, told) => {
    const { status, body } = await get(path);
    expect([status, body["error"]]).toEqual([400, expect.stringContaining(told)]);
  });

  test("400 where a POST has parameters in its query, which nobody would read", async () => {
    const { status } = await post("/admin/webhooks/replay?app=shop", { all: true });
    expect(status).toBe(400);
  });

  test("500 that says nothing where a store fails; the log says it", async () => {
    server.desk.failing = true;
    const { status, body } = await get("/admin/queue");
    expect([status, body]).toEqual([
      500,
      { error: "The server could not do it; its log says why" },
    ]);
    expect(server.lines.at(-1)).toMatchObject({
      level: "error",
      fields: { err: { message: expect.stringContaining("the disk is full") } },
    });
  });
});

describe("GET /admin/webhooks", () => {
  test("shows each configured webhook, in the order of the configuration, though nothing happened", async () => {
    const { status, body } = await get("/admin/webhooks");
    expect(status).toBe(200);
    const webhooks = body["webhooks"] as Record<string, unknown>[];
    expect(webhooks.map(({ app, webhook }) => `${app}/${webhook}`)).toEqual([
      "shop/orders",
      "shop/audit",
      "blog/audit",
      "blog/posts",
    ]);
    expect(webhooks[0]).toEqual({
      app: "shop",
      webhook: "orders",
      configured: true,
      url: "https://***@hooks.example.com:8443/in?***",
      events: ["channel_occupied", "channel_vacated"],
      channelPrefix: null,
      channelSuffix: "-live",
      paused: null,
      due: 0,
      leased: 0,
      delayed: 0,
      dead: 0,
      sender: { breaker: "closed", consecutiveFailures: 0, inFlight: 0 },
      last24Hours: { delivered: 0, failed: 0 },
      lastAttempt: null,
    });
  });

  test("joins it with its jobs, the attempts of 24 hours, and what the sender knows", async () => {
    await using busy = new AdminServer({
      apps: [SHOP],
      senderStates: () => [
        senderState({ breaker: "half-open", consecutiveFailures: 11, inFlight: 1 }),
        senderState({ endpointId: "shop/audit", inFlight: 2 }),
      ],
    });
    busy.desk.hold({ due: 1, leased: 2, delayed: 3, dead: 4 });
    await busy.desk.pause("shop/orders", "410 Gone");
    const failure = { result: "status", status: 500, detail: "oops" } as const;
    for (const attempt of [
      testAttempt({ atMs: NOW_MS - 24 * HOUR_MS - 1 }),
      testAttempt({ atMs: NOW_MS - 24 * HOUR_MS }),
      testAttempt({ atMs: NOW_MS - HOUR_MS }),
      testAttempt({ atMs: NOW_MS - 5, ...failure }),
    ]) {
      busy.deliveries.record(attempt);
    }
    const { body } = await answerOf(await busy.get("/admin/webhooks"));
    const [orders, audit] = body["webhooks"] as object[];
    expect(orders).toMatchObject({
      paused: { reason: "410 Gone", since: "2026-01-31T12:00:00.000Z" },
      due: 1,
      leased: 2,
      delayed: 3,
      dead: 4,
      sender: { breaker: "half-open", consecutiveFailures: 11, inFlight: 1 },
      last24Hours: { delivered: 2, failed: 1 },
      lastAttempt: { at: "2026-01-31T11:59:59.995Z", status: 500, detail: "oops" },
    });
    expect(audit).toMatchObject({
      due: 0,
      paused: null,
      sender: { breaker: "closed", consecutiveFailures: 0, inFlight: 2 },
    });
  });

  test("shows those that are gone but have jobs, behind the others", async () => {
    server.desk.hold({ appId: "shop", webhookId: "old", due: 5 });
    server.desk.hold({ appId: "gone", webhookId: "orders", dead: 1 });
    server.desk.hold({ appId: "shop", webhookId: "orders", due: 1 });
    const { body } = await get("/admin/webhooks");
    const webhooks = body["webhooks"] as Record<string, unknown>[];
    expect(webhooks.map(({ app, webhook, configured }) => [app, webhook, configured])).toEqual([
      ["shop", "orders", true],
      ["shop", "audit", true],
      ["blog", "audit", true],
      ["blog", "posts", true],
      ["gone", "orders", false],
      ["shop", "old", false],
    ]);
    expect(webhooks.at(-1)).toMatchObject({
      url: "https://***@hooks.example.com:8443/in?***",
      events: [],
      due: 5,
    });
  });

  test("shows those of one app", async () => {
    server.desk.hold({ appId: "gone", webhookId: "orders", dead: 1 });
    const names = async (app: string): Promise<unknown> =>
      ((await get(`/admin/webhooks?app=${app}`)).body["webhooks"] as Record<string, unknown>[]).map(
        ({ webhook }) => webhook,
      );
    expect(await names("blog")).toEqual(["audit", "posts"]);
    expect(await names("gone")).toEqual(["orders"]);
    expect((await get("/admin/webhooks?app=nope")).body["error"]).toBe(
      "There is no app nope; there are shop, blog",
    );
  });

  test("says null for the sender where this process sends nothing", async () => {
    await using silent = new AdminServer({ apps: [SHOP] });
    const { body } = await answerOf(await silent.get("/admin/webhooks"));
    expect(body["webhooks"]).toMatchObject([{ sender: null }, { sender: null }]);
  });

  test("hears of a changed configuration", async () => {
    server.apps.replace([BLOG]);
    const { body } = await get("/admin/webhooks");
    expect(body["webhooks"]).toHaveLength(2);
  });
});

describe("GET /admin/webhooks/attempts", () => {
  beforeEach(() => {
    for (const attempt of [
      testAttempt({ jobId: "job_1", atMs: NOW_MS - 2 * HOUR_MS }),
      testAttempt({ jobId: "job_2", webhookId: "audit", result: "timeout", status: null }),
      testAttempt({ jobId: "job_4", appId: "gone", webhookId: "left", atMs: NOW_MS - 2 }),
      testAttempt({ jobId: "job_3", appId: "blog", webhookId: "posts", atMs: NOW_MS - 1 }),
    ]) {
      server.deliveries.record(attempt);
    }
  });

  test.each([
    ["", ["job_3", "job_4", "job_2", "job_1"]],
    ["?limit=1", ["job_3"]],
    ["?app=shop", ["job_2", "job_1"]],
    ["?webhook=orders", ["job_1"]],
    ["?webhook=shop/audit", ["job_2"]],
    ["?app=shop&webhook=audit", ["job_2"]],
    ["?webhook=left", ["job_4"]],
    ["?app=gone", ["job_4"]],
    ["?job=job_2", ["job_2"]],
    ["?job=unheard-of", []],
    ["?failed=true", ["job_2"]],
    ["?failed=false", ["job_3", "job_4", "job_1"]],
    ["?since=1h", ["job_3", "job_4", "job_2"]],
    ["?since=2h", ["job_3", "job_4", "job_2", "job_1"]],
    ["?until=1h", ["job_1"]],
    ["?until=2h", []],
    ["?since=2026-01-31T11:59:59.999Z", ["job_3"]],
    ["?since=2026-01-31T12:59:59.999%2B01:00", ["job_3"]],
    ["?since=2026-01-31&until=2026-02-01", ["job_3", "job_4", "job_2", "job_1"]],
  ])("answers %s newest first", async (query, jobs) => {
    const { status, body } = await get(`/admin/webhooks/attempts${query}`);
    expect(status).toBe(200);
    expect((body["attempts"] as { job: string }[]).map(({ job }) => job)).toEqual(jobs);
  });

  test("tells all of an attempt", async () => {
    const { body } = await get("/admin/webhooks/attempts?job=job_2");
    expect(body["attempts"]).toEqual([
      {
        at: "2026-01-31T11:59:00.000Z",
        app: "shop",
        webhook: "audit",
        job: "job_2",
        events: ["channel_occupied"],
        attempt: 1,
        result: "timeout",
        status: null,
        durationMs: 12,
        ageMs: 34,
        detail: null,
        senderVersion: "0.1.0",
      },
    ]);
  });
});

describe("GET /admin/webhooks/versions", () => {
  const report = (senderId: string, version: string, utilisation: number) =>
    server.fleet.report(
      {
        senderId,
        version,
        utilisation,
        slots: 100,
        fullRate: 10,
        isMeasured: true,
        blockedEndpoints: [],
      },
      8_000,
    );

  test("tells versions apart that made attempts in the last ten minutes, or are alive", async () => {
    const old = { senderVersion: "0.9.0" };
    const canary = { senderVersion: "0.10.0" };
    for (const attempt of [
      testAttempt({ ...old, atMs: NOW_MS - 11 * 60_000, durationMs: 4_000 }),
      testAttempt({ ...old, durationMs: 10 }),
      testAttempt({ ...old, durationMs: 20, atMs: NOW_MS - 1_000 }),
      testAttempt({ ...canary, durationMs: 15, atMs: NOW_MS - 500, result: "status", status: 500 }),
      testAttempt({ ...canary, durationMs: 9_000, result: "dns", status: null }),
    ])
      server.deliveries.record(attempt);
    await report("a", "0.10.0", 0.25);
    await report("b", "0.10.0", 0.5);
    await report("c", "0.11.0", 0);
    expect((await get("/admin/webhooks/versions")).body).toEqual({
      since: "2026-01-31T11:50:00.000Z",
      versions: [
        {
          version: "0.9.0",
          senders: 0,
          busy: 0,
          delivered: 2,
          failed: 0,
          ownFaults: 0,
          share: 0.6667,
          p50Ms: 10,
          p95Ms: 20,
          p99Ms: 20,
          firstAt: "2026-01-31T11:59:00.000Z",
          lastAt: "2026-01-31T11:59:59.000Z",
        },
        {
          version: "0.10.0",
          senders: 2,
          busy: 0.75,
          delivered: 0,
          failed: 1,
          ownFaults: 1,
          share: 0.3333,
          p50Ms: 15,
          p95Ms: 15,
          p99Ms: 15,
          firstAt: "2026-01-31T11:59:00.000Z",
          lastAt: "2026-01-31T11:59:59.500Z",
        },
        {
          version: "0.11.0",
          senders: 1,
          busy: 0,
          delivered: 0,
          failed: 0,
          ownFaults: 0,
          share: 0,
          p50Ms: null,
          p95Ms: null,
          p99Ms: null,
          firstAt: null,
          lastAt: null,
        },
      ],
    });
    const { body } = await get("/admin/webhooks/versions?since=1h");
    expect(body).toMatchObject({
      versions: [{ version: "0.9.0", delivered: 3, p99Ms: 4_000 }, {}, {}],
    });
  });

  test("is empty where nothing was sent and nobody sends", async () => {
    const { status, body } = await get("/admin/webhooks/versions?since=2026-01-31");
    expect([status, body]).toEqual([200, { since: "2026-01-31T00:00:00.000Z", versions: [] }]);
  });

  test("has no share of nothing", async () => {
    await report("a", "1", 0);
    expect((await get("/admin/webhooks/versions")).body).toMatchObject({
      versions: [{ version: "1", senders: 1, share: null }],
    });
  });

  test.each(["?since=yesterday", "?until=1h", "?app=shop"])("refuses %s", async (query) => {
    expect((await get(`/admin/webhooks/versions${query}`)).status).toBe(400);
  });
});

describe("GET /admin/webhooks/failed", () => {
  test("tells of each dead letter all but its headers, and its body only when asked", async () => {
    server.desk.bury(testJob(), { buriedAtMs: NOW_MS - 5 });
    const shown = {
      job: "job_1",
      app: "shop",
      webhook: "orders",
      url: "https://***@hooks.example.com:8443/in?***",
      events: ["channel_occupied"],
      createdAt: "2026-01-31T11:50:00.000Z",
      buriedAt: "2026-01-31T11:59:59.995Z",
      attempts: 7,
      reason: "retry window over",
    };
    expect((await get("/admin/webhooks/failed")).body).toEqual({ failed: [shown] });
    expect((await get("/admin/webhooks/failed?body=false")).body).toEqual({ failed: [shown] });
    const { body } = await get("/admin/webhooks/failed?body=true");
    expect(body).toEqual({ failed: [{ ...shown, body: testJob().body }] });
  });

  test.each([
    ["", ["job_3", "job_2", "job_1"]],
    ["?limit=2", ["job_3", "job_2"]],
    ["?webhook=posts", ["job_2"]],
    ["?app=shop", ["job_3", "job_1"]],
    ["?job=job_1", ["job_1"]],
    ["?since=1h", ["job_3", "job_2"]],
    ["?until=1h", ["job_1"]],
  ])("answers %s newest first", async (query, jobs) => {
    server.desk.bury(testJob(), { buriedAtMs: NOW_MS - 2 * HOUR_MS });
    const posts = { appId: "blog", webhookId: "posts" };
    server.desk.bury(testJob({ id: "job_2", ...posts }), { buriedAtMs: NOW_MS - HOUR_MS });
    server.desk.bury(testJob({ id: "job_3" }));
    const { body } = await get(`/admin/webhooks/failed${query}`);
    expect((body["failed"] as { job: string }[]).map(({ job }) => job)).toEqual(jobs);
  });

  test("shows what another program wrote, however odd", async () => {
    server.desk.bury(testJob({ url: "https://", createdAtMs: 1e300 }));
    const { status, body } = await get("/admin/webhooks/failed");
    expect(status).toBe(200);
    expect(body["failed"]).toMatchObject([
      { url: "(not a URL)", createdAt: "+275760-09-13T00:00:00.000Z" },
    ]);
  });
});

describe("POST /admin/webhooks/replay", () => {
  beforeEach(() => {
    server.desk.bury(testJob(), { buriedAtMs: NOW_MS - 2 * HOUR_MS });
    server.desk.bury(testJob({ id: "job_2", webhookId: "audit" }));
    server.desk.bury(testJob({ id: "job_3", appId: "blog", webhookId: "audit" }));
  });

  test.each([
    [{ all: true }, 3, []],
    [{ job: "job_2" }, 1, ["job_1", "job_3"]],
    [{ job: "unheard-of" }, 0, ["job_1", "job_2", "job_3"]],
    [{ app: "shop" }, 2, ["job_3"]],
    [{ webhook: "shop/audit" }, 1, ["job_1", "job_3"]],
    [{ app: "blog", webhook: "audit" }, 1, ["job_1", "job_2"]],
    [{ since: "1h" }, 2, ["job_1"]],
    [{ until: "1h", app: "shop" }, 1, ["job_2", "job_3"]],
  ])("of %p puts back %d", async (filter, replayed, left) => {
    expect(await post("/admin/webhooks/replay", filter)).toEqual({
      status: 200,
      body: { replayed },
    });
    expect(server.desk.letters.map(({ job }) => job.id)).toEqual(left);
    expect(server.lines.at(-1)).toMatchObject({ level: "info", fields: { replayed } });
  });

  test("of a name that could be two webhooks puts back none", async () => {
    const { status, body } = await post("/admin/webhooks/replay", { webhook: "audit" });
    expect(status).toBe(409);
    expect(body["error"]).toBe(
      "audit is the name of several webhooks; say which: shop/audit, blog/audit",
    );
    expect(server.desk.letters).toHaveLength(3);
  });
});

describe("a webhook is named", () => {
  const pause = (body: object): Promise<Answer> => post("/admin/webhooks/pause", body);

  test("by app and id in any form, or by the id alone where one app has it", async () => {
    for (const naming of [
      { webhook: "shop/orders" },
      { webhook: "orders" },
      { app: "shop", webhook: "orders" },
      { app: "shop", webhook: "shop/orders" },
    ]) {
      expect((await pause(naming)).body).toMatchObject({ app: "shop", webhook: "orders" });
    }
  });

  test("also when it is gone, if it has jobs; one that is there comes first", async () => {
    server.desk.hold({ appId: "gone", webhookId: "left" });
    server.desk.hold({ appId: "gone", webhookId: "orders" });
    expect((await pause({ webhook: "left" })).body).toMatchObject({ app: "gone" });
    expect((await pause({ webhook: "orders" })).body).toMatchObject({ app: "shop" });
    expect((await pause({ webhook: "gone/orders" })).body).toMatchObject({ app: "gone" });
  });

  test.each([
    ["ordrs", "There is no webhook ordrs; did you mean orders? there are shop/orders"],
    ["shop/ordes", "There is no webhook shop/ordes; did you mean shop/orders?"],
    ["blog/orders", "There is no webhook blog/orders;"],
    ["something-else", "There is no webhook something-else; there are shop/orders, shop/audit"],
    ["shop/", "There is no webhook shop/;"],
    ["/orders", "There is no webhook /orders;"],
  ])("or not, as %s is: the answer says what there is", async (webhook, told) => {
    const { status, body } = await pause({ webhook });
    expect([status, body["error"]]).toEqual([404, expect.stringContaining(told)]);
    expect(server.desk.loads.size).toBe(0);
  });

  test("and where there are very many, not all are listed", async () => {
    const webhooks = Array.from({ length: 60 }, (_, index) => testWebhook({ id: `w${index}` }));
    server.apps.replace([{ ...SHOP, webhooks }]);
    const { body } = await pause({ webhook: "entirely-different" });
    expect(body["error"]).toEndWith("shop/w18, shop/w19 and 40 more");
  });

  test("and where there is none, the answer says so", async () => {
    server.apps.replace([]);
    expect((await pause({ webhook: "orders" })).body["error"]).toBe(
      "There is no webhook orders; no app has any",
    );
  });
});

describe("POST /admin/webhooks/pause and /resume", () => {
  test("stop a webhook with a reason, and let it go on", async () => {
    const asked = { webhook: "orders", reason: "moving house" };
    expect((await post("/admin/webhooks/pause", asked)).body).toEqual({
      app: "shop",
      webhook: "orders",
      paused: true,
      reason: "moving house",
    });
    expect(server.desk.loads.get("shop/orders")?.paused?.reason).toBe("moving house");
    expect(server.lines.at(-1)).toMatchObject({
      level: "info",
      fields: { appId: "shop", webhookId: "orders", reason: "moving house" },
    });

    const resume = (): Promise<Answer> => post("/admin/webhooks/resume", { webhook: "orders" });
    const resumed = { app: "shop", webhook: "orders", paused: false };
    expect((await resume()).body).toEqual({ ...resumed, wasPaused: true });
    expect(server.desk.loads.get("shop/orders")?.paused).toBeNull();
    expect((await resume()).body).toEqual({ ...resumed, wasPaused: false });
  });

  test("give a reason where nobody did", async () => {
    await post("/admin/webhooks/pause", { webhook: "orders" });
    expect(server.desk.loads.get("shop/orders")?.paused?.reason).toBe("paused by hand");
  });

  test("need a webhook", async () => {
    for (const path of ["/admin/webhooks/pause", "/admin/webhooks/resume"]) {
      const { status, body } = await post(path, { app: "shop" });
      expect([status, body["error"]]).toEqual([
        400,
        "webhook must be a text of 1 to 200 characters",
      ]);
    }
  });
});

describe("POST /admin/webhooks/test", () => {
  const ask = (webhook: string): Promise<Answer> => post("/admin/webhooks/test", { webhook });

  test("puts a job into the queue and answers its id", async () => {
    expect(await ask("orders")).toEqual({
      status: 200,
      body: { app: "shop", webhook: "orders", job: "job_test_1" },
    });
    expect(server.desk.added).toMatchObject([
      { id: "job_test_1", appId: "shop", webhookId: "orders" },
    ]);
    expect((await ask("orders")).body).toMatchObject({ job: "job_test_2" });
  });

  test("refuses one that is paused, since nobody would send it", async () => {
    await server.desk.pause("shop/orders", "410 Gone");
    const { status, body } = await ask("orders");
    expect([status, body["error"]]).toEqual([
      409,
      "shop/orders is paused (410 Gone); resume it first",
    ]);
    expect((await ask("shop/audit")).status).toBe(200);
    expect(server.desk.added).toMatchObject([{ webhookId: "audit" }]);
  });

  test("refuses one that is gone", async () => {
    server.desk.hold({ appId: "shop", webhookId: "old" });
    const { status, body } = await ask("old");
    expect([status, body["error"]]).toEqual([
      404,
      "shop/old is no longer configured: there is nothing to test",
    ]);
    expect(server.desk.added).toEqual([]);
  });

  test("refuses where no key can sign", async () => {
    const inactive = SHOP.keys.map((key) => ({ ...key, active: false }));
    server.apps.replace([{ ...SHOP, keys: inactive }]);
    const { status, body } = await ask("orders");
    expect([status, body["error"]]).toEqual([409, "App shop has no active key to sign with"]);
  });
});

test("GET /admin/queue tells the figures", async () => {
  expect(await get("/admin/queue")).toEqual({
    status: 200,
    body: { due: 4, leased: 3, delayed: 2, dead: 0, oldestDueMs: 1_500, pausedEndpoints: 1 },
  });
});
