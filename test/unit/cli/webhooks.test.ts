import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { AttemptStream } from "../../../src/cli/webhooks/attempt-stream.ts";
import type { ShownAttempt } from "../../../src/ops/admin/webhook-history.ts";
import type { Attempt } from "../../../src/sender/ports/delivery-log.ts";
import { testApp } from "../../support/apps.ts";
import {
  AdminServer,
  NOW_MS,
  senderState,
  testAttempt,
  testJob,
  testWebhook,
} from "../../support/admin-doubles.ts";
import { CliRun, runCli, RUN_TIMEOUT_MS, type CliOutcome } from "./cli-run.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

const TOKEN = "correct-horse-battery-staple";
const STEERING = "\u001b[2J\u009b2J";
const APPS = [testApp({ id: "shop", webhooks: [testWebhook(), testWebhook({ id: "audit" })] })];

function adminServer(): AdminServer {
  return new AdminServer({ apps: APPS, senderStates: () => [] });
}

function webhooks(server: { readonly url: string }, ...words: string[]): Promise<CliOutcome> {
  return runCli(["webhooks", ...words], { env: { RINGMASTER_ADMIN_URL: server.url } });
}

describe.concurrent("webhooks list", () => {
  test("is a table of where each is, what it gets, and how it fares", async () => {
    await using server = new AdminServer({
      apps: [
        testApp({
          id: "shop",
          webhooks: [
            testWebhook({ url: "https://hooks.example.com/in" }),
            testWebhook({
              id: "audit",
              url: "http://user:pass@10.0.0.7/?key=1",
              events: [
                "channel_occupied",
                "channel_vacated",
                "member_added",
                "member_removed",
                "client_event",
                "cache_miss",
                "subscription_count",
              ],
            }),
          ],
        }),
      ],
      senderStates: () => [
        senderState({ endpointId: "shop/audit", breaker: "open", consecutiveFailures: 10 }),
      ],
    });
    server.desk.hold({ due: 1, leased: 2, delayed: 3, dead: 4 });
    server.desk.hold({ appId: "old", webhookId: "left", url: "https://left.example.com/", due: 9 });
    await server.desk.pause("old/left", "410 Gone");
    server.deliveries.record(testAttempt({ result: "timeout", status: null }));
    server.deliveries.record(testAttempt({ atMs: NOW_MS - 1_000 }));
    expect(await webhooks(server, "list")).toEqual({
      code: 0,
      stdout: [
        "WEBHOOK      URL                           EVENTS                             STATE                     DUE  DELAYED  DEAD  DELIVERED  FAILED  LAST ATTEMPT",
        "shop/orders  https://hooks.example.com/in  channel_occupied, channel_vacated  active                    1    3        4     1          1       delivered 200, 2026-01-31T11:59:59.000Z",
        "shop/audit   http://***@10.0.0.7/?***      all                                broken off (10 failures)  0    0        0     0          0       -",
        "old/left     https://left.example.com/     -                                  gone, paused (410 Gone)   9    0        0     0          0       -",
        "",
      ].join("\n"),
      stderr: "",
    });
  });

  test("as JSON is the server's answer", async () => {
    await using server = adminServer();
    const { code, stdout } = await webhooks(server, "list", "--json", "--app", "shop");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(await (await server.get("/admin/webhooks")).json());
  });

  test("says when there is none", async () => {
    await using server = new AdminServer({ apps: [testApp({ id: "shop" })] });
    expect((await webhooks(server, "list")).stdout).toBe(`No app has a webhook (${server.url}).\n`);
    expect((await webhooks(server, "list", "--app", "shop")).stdout).toBe(
      `App shop has no webhook (${server.url}).\n`,
    );
  });

  test("cannot steer the terminal", async () => {
    await using server = adminServer();
    await server.desk.pause("shop/orders", STEERING);
    const { stdout } = await webhooks(server, "list");
    expect(stdout).toContain("paused (\\u001b[2J\\u009b2J)");
  });
});

describe.concurrent("webhooks versions", () => {
  async function canary(server: AdminServer): Promise<void> {
    for (let i = 0; i < 2_000; i++)
      server.deliveries.record(
        testAttempt({
          senderVersion: i % 10 === 0 ? "0.2.0" : "0.1.0",
          atMs: NOW_MS - 2_000 + i,
          durationMs: i % 100,
          ...(i === 777 ? { result: "timeout", status: null } : {}),
        }),
      );
    const like = { slots: 100, utilisation: 0.5, fullRate: 1, isMeasured: true };
    for (const [senderId, version] of Object.entries({ a: "0.1.0", b: "0.1.0", c: "0.2.0" }))
      await server.fleet.report({ ...like, senderId, version, blockedEndpoints: [] }, 8_000);
  }

  test("is a table of shares, successes and latencies", async () => {
    await using server = adminServer();
    await canary(server);
    expect(await webhooks(server, "versions")).toEqual({
      code: 0,
      stdout: [
        "VERSION  SENDERS  SHARE   ATTEMPTS  DELIVERED  OWN FAULTS  P50    P99    LAST ATTEMPT",
        "0.1.0    2        90.0 %  1800      99.9 %     0           49 ms  99 ms  2026-01-31T11:59:59.999Z",
        "0.2.0    1        10.0 %  200       100.0 %    0           40 ms  90 ms  2026-01-31T11:59:59.990Z",
        "",
      ].join("\n"),
      stderr: "",
    });
  });

  test("as JSON is the server's answer, since the time that was given", async () => {
    await using server = adminServer();
    await canary(server);
    const { code, stdout } = await webhooks(server, "versions", "--json", "--since", "1s");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(
      await (await server.get("/admin/webhooks/versions?since=1s")).json(),
    );
    expect(JSON.parse(stdout)).toMatchObject({
      versions: [{ delivered: 900 }, { delivered: 100 }],
    });
  });

  test("says when there is none, cannot steer the terminal, and refuses what is no time", async () => {
    await using server = adminServer();
    expect((await webhooks(server, "versions")).stdout).toBe(
      `No sender is alive, and none made an attempt in that time (${server.url}).\n`,
    );
    server.deliveries.record(testAttempt({ senderVersion: STEERING }));
    const { stdout } = await webhooks(server, "versions");
    expect(stdout).toContain("\\u001b[2J\\u009b2J  0        100.0 %");
    const wrong = await webhooks(server, "versions", "--since", "soon");
    expect([wrong.code, wrong.stdout]).toEqual([2, ""]);
    expect(wrong.stderr).toContain("--since");
  });
});

describe.concurrent("webhooks attempts", () => {
  test("is a table, newest first, that cannot steer the terminal", async () => {
    await using server = adminServer();
    const detail = `${STEERING}\nno`;
    const events = ["channel_occupied", "channel_vacated", "channel_occupied"];
    server.deliveries.record(testAttempt({ atMs: NOW_MS - 2_000 }));
    server.deliveries.record(
      testAttempt({ atMs: NOW_MS, result: "status", status: 500, attempt: 2, detail, events }),
    );
    expect((await webhooks(server, "attempts")).stdout).toBe(
      [
        "TIME                      WEBHOOK      RESULT         TOOK   AGE    ATTEMPT  JOB    EVENTS                                DETAIL",
        "2026-01-31T12:00:00.000Z  shop/orders  status 500     12 ms  34 ms  2        job_1  channel_occupied ×2, channel_vacated  \\u001b[2J\\u009b2J\\nno",
        "2026-01-31T11:59:58.000Z  shop/orders  delivered 200  12 ms  34 ms  1        job_1  channel_occupied",
        "",
      ].join("\n"),
    );
  });

  test("takes filters", async () => {
    await using server = adminServer();
    server.deliveries.record(testAttempt({ jobId: "job_1", atMs: NOW_MS - 7_200_000 }));
    server.deliveries.record(testAttempt({ jobId: "job_3", webhookId: "audit" }));
    server.deliveries.record(testAttempt({ jobId: "job_2", result: "tls", status: null }));
    for (const [words, jobs] of [
      [[], ["job_2", "job_3", "job_1"]],
      [["--limit", "1"], ["job_2"]],
      [["orders"], ["job_2", "job_1"]],
      [["shop/audit"], ["job_3"]],
      [["--app", "shop", "--failed"], ["job_2"]],
      [["--job", "job_1"], ["job_1"]],
      [["orders", "--since", "1h"], ["job_2"]],
      [["--until", "2026-01-31T11:00:00Z"], ["job_1"]],
    ] as const) {
      const { stdout } = await webhooks(server, "attempts", "--json", ...words);
      const answer = JSON.parse(stdout) as { attempts: ShownAttempt[] };
      expect([words, answer.attempts.map(({ job }) => job)]).toEqual([words, [...jobs]]);
    }
    expect((await webhooks(server, "attempts", "--job", "no")).stdout).toBe(
      `No such attempt is in the log (${server.url}).\n`,
    );
  });

  test("follows: prints what comes, and nothing twice or of before", async () => {
    await using server = adminServer();
    server.deliveries.record(testAttempt({ jobId: "before", atMs: NOW_MS - 10 }));
    await using run = new CliRun(["webhooks", "attempts", "orders", "--follow", "--json"], {
      env: { RINGMASTER_ADMIN_URL: server.url },
    });
    const polled = Promise.withResolvers<void>();
    const ask = server.deliveries.attempts.bind(server.deliveries);
    server.deliveries.attempts = (filter, limit) => {
      polled.resolve();
      return ask(filter, limit);
    };
    await polled.promise;
    for (const [jobId, atMs] of [
      ["first", NOW_MS - 5],
      ["older", NOW_MS - 8],
    ] as const) {
      server.deliveries.record(testAttempt({ jobId, atMs }));
      const line = await run.stdout.line(() => true);
      expect(JSON.parse(line)).toMatchObject({ job: jobId });
    }
    run.signal("SIGTERM");
    expect((await run.outcome()).stdout.trimEnd().split("\n")).toHaveLength(2);
  });
});

describe("what is followed", () => {
  const at = (job: string, ms: number): ShownAttempt => {
    const { atMs: _, appId: app, webhookId: webhook, jobId: __, ...rest } = testAttempt();
    return { ...rest, app, webhook, job, at: new Date(NOW_MS + ms).toISOString() };
  };
  const jobs = (attempts: readonly ShownAttempt[]): string[] => attempts.map(({ job }) => job);

  test("is told once, oldest first, from the first poll on where its start was given", () => {
    const stream = new AttemptStream(false);
    expect(stream.since).toBeUndefined();
    expect(jobs(stream.unseen([at("b", 1), at("a", 0)]))).toEqual(["a", "b"]);
    expect(jobs(stream.unseen([at("c", 2), at("b", 1), at("a", 0)]))).toEqual(["c"]);
    expect(jobs(stream.unseen([]))).toEqual([]);
  });

  test("is asked for with a minute more than is new, for attempts that took long", () => {
    const stream = new AttemptStream(false);
    stream.unseen([at("late", 100_000), at("early", 50_000)]);
    expect(stream.since).toBe(new Date(NOW_MS + 40_000).toISOString());
    expect(
      jobs(stream.unseen([at("late", 100_000), at("long", 45_000), at("early", 50_000)])),
    ).toEqual(["long"]);
    expect(stream.since).toBe(new Date(NOW_MS + 40_000).toISOString());
  });

  test("begins behind what was there before", () => {
    const stream = new AttemptStream(true);
    expect(stream.unseen([at("before", 0)])).toEqual([]);
    expect(jobs(stream.unseen([at("new", 1), at("before", 0)]))).toEqual(["new"]);
  });

  test("has the same job again when it is tried again", () => {
    const stream = new AttemptStream(false);
    stream.unseen([at("a", 0)]);
    expect(jobs(stream.unseen([at("a", 5), at("a", 0)]))).toEqual(["a"]);
  });
});

describe.concurrent("webhooks failed", () => {
  test("is a table, with bodies when asked, that cannot steer the terminal", async () => {
    await using server = adminServer();
    server.desk.bury(testJob({ body: `{"a":"${STEERING}"}` }), { reason: `late${STEERING}` });
    expect((await webhooks(server, "failed")).stdout).toBe(
      [
        "GIVEN UP                  WEBHOOK      JOB    ATTEMPTS  EVENTS            REASON",
        "2026-01-31T12:00:00.000Z  shop/orders  job_1  7         channel_occupied  late\\u001b[2J\\u009b2J",
        "",
      ].join("\n"),
    );
    const { stdout } = await webhooks(server, "failed", "orders", "--body");
    expect(stdout).toMatch(/ BODY\n.* \{"a":"\\u001b\[2J\\u009b2J"\}\n$/);
    expect((await webhooks(server, "failed", "audit")).stdout).toBe(
      `There is no such dead letter (${server.url}).\n`,
    );
  });

  test("as JSON is the server's answer", async () => {
    await using server = adminServer();
    server.desk.bury(testJob());
    const { stdout } = await webhooks(server, "failed", "--json", "--job", "job_1");
    expect(JSON.parse(stdout)).toEqual(await (await server.get("/admin/webhooks/failed")).json());
  });
});

describe.concurrent("webhooks replay", () => {
  test("of one, of some and of all says how many", async () => {
    await using server = adminServer();
    for (const id of ["job_1", "job_2", "job_3"]) server.desk.bury(testJob({ id }));
    server.desk.bury(testJob({ id: "job_4", webhookId: "audit" }));
    for (const [words, told] of [
      [["job_2"], "1 dead letter is back in the queue.\n"],
      [["--webhook", "shop/orders", "--since", "1h"], "2 dead letters are back in the queue.\n"],
      [["--webhook", "orders"], `There is no such dead letter (${server.url}).\n`],
      [["--all", "--json"], '{"replayed":1}\n'],
    ] as const) {
      expect(await webhooks(server, "replay", ...words)).toEqual({
        code: 0,
        stdout: told,
        stderr: "",
      });
    }
    expect(server.desk.letters).toEqual([]);
  });

  test("of one that is not there fails", async () => {
    await using server = adminServer();
    const { code, stdout, stderr } = await webhooks(server, "replay", "job_9");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(
      "error: there is no dead letter with the id job_9; `ringmaster webhooks failed` lists them\n",
    );
  });
});

test.concurrent("webhooks pause and resume say what is now", async () => {
  await using server = adminServer();
  expect((await webhooks(server, "pause", "orders", "--reason", "moving")).stdout).toBe(
    "shop/orders is paused; `ringmaster webhooks resume shop/orders` ends it.\n",
  );
  expect(server.desk.loads.get("shop/orders")?.paused?.reason).toBe("moving");
  expect((await webhooks(server, "resume", "shop/orders")).stdout).toBe(
    "shop/orders is sent to again.\n",
  );
  expect(server.desk.loads.get("shop/orders")?.paused).toBeNull();
  expect((await webhooks(server, "resume", "orders")).stdout).toBe("shop/orders was not paused.\n");
  const { code, stderr } = await webhooks(server, "pause", "ordrs");
  expect(code).toBe(1);
  expect(stderr).toBe(
    `error: ${server.url} answered 404: There is no webhook ordrs; did you mean orders? there are shop/orders, shop/audit\n`,
  );
});

describe.concurrent("webhooks test", () => {
  /** The attempts appear one after the other, each once the one before it was looked at. */
  function trying(server: AdminServer, ...attempts: Partial<Attempt>[]): void {
    server.desk.onAdd = (job) => {
      const ask = server.deliveries.attempts.bind(server.deliveries);
      server.deliveries.attempts = (filter, limit) => {
        const [next] = attempts.splice(0, 1);
        if (next !== undefined) server.deliveries.record(testAttempt({ jobId: job.id, ...next }));
        return ask(filter, limit);
      };
    };
  }

  test("ends with 0 and the time it took when it was delivered", async () => {
    await using server = adminServer();
    trying(server, { durationMs: 21, status: 204 });
    expect(await webhooks(server, "test", "orders")).toEqual({
      code: 0,
      stdout: "Delivered to shop/orders: status 204 after 21 ms (job job_test_1).\n",
      stderr: "",
    });
  });

  test("ends with 1 and what went wrong when the first attempt that counts failed", async () => {
    await using server = adminServer();
    trying(
      server,
      { result: "status", status: 500, detail: `oops${STEERING}`, atMs: NOW_MS - 9 },
      { atMs: NOW_MS },
    );
    expect(await webhooks(server, "test", "shop/orders")).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "error: shop/orders answered 500 after 12 ms: oops\\u001b[2J\\u009b2J (job job_test_1)\n",
    });
  });

  test("waits for the next where the fault is the server's own", async () => {
    await using server = adminServer();
    const dns = { result: "dns", status: null, detail: "SERVFAIL", atMs: NOW_MS - 9 } as const;
    trying(server, dns, { atMs: NOW_MS });
    const { code, stdout, stderr } = await webhooks(server, "test", "orders");
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        "shop/orders has a name that the server could not resolve after 12 ms: SERVFAIL; the server tries again\n",
    });
    expect(stdout).toStartWith("Delivered to shop/orders");
  });

  test("says so when that is all that came in time", async () => {
    await using server = adminServer();
    trying(server, { result: "egress", status: null });
    const { code, stderr } = await webhooks(server, "test", "orders", "--timeout", "600");
    expect(code).toBe(1);
    expect(stderr).toEndWith(
      "error: shop/orders could not be reached: the server has no way out after 12 ms (job job_test_1)\n",
    );
  });

  test("says why nobody tried", async () => {
    await using idle = adminServer();
    idle.desk.hold({ due: 3 });
    const waited = await webhooks(idle, "test", "orders", "--timeout", "1");
    expect(waited).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "error: nobody tried to deliver to shop/orders within 1 ms: is a sender running? 3 of its webhooks wait\n",
    });
    await using broken = new AdminServer({
      apps: APPS,
      senderStates: () => [senderState({ breaker: "open", consecutiveFailures: 10 })],
    });
    const { stderr } = await webhooks(broken, "test", "orders", "--timeout", "1");
    expect(stderr).toContain("within 1 ms: it is broken off (10 failures)\n");
  });

  test("as JSON is the attempt, with the same exit codes", async () => {
    await using server = adminServer();
    trying(server, { result: "refused", status: null });
    const { code, stdout, stderr } = await webhooks(server, "test", "orders", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ job: "job_test_1", result: "refused" });
    expect(stderr).toContain("nobody listens at its address");
  });

  test("of one that is paused says what to do", async () => {
    await using server = adminServer();
    await server.desk.pause("shop/orders", "410 Gone");
    const { code, stderr } = await webhooks(server, "test", "orders");
    expect(code).toBe(1);
    expect(stderr).toContain("shop/orders is paused (410 Gone); resume it first");
    expect(server.desk.added).toEqual([]);
  });
});

describe.concurrent("the token", () => {
  const folder = mkdtempSync(join(tmpdir(), "ringmaster-token-"));
  writeFileSync(join(folder, "token"), `${TOKEN}\n`);
  writeFileSync(join(folder, "wrong"), "wrong");
  writeFileSync(join(folder, "empty"), "\n");
  writeFileSync(join(folder, "two-lines"), "one\ntwo\n");
  afterAll(() => rmSync(folder, { recursive: true }));

  async function list(words: string[], env: Record<string, string> = {}): Promise<CliOutcome> {
    await using server = new AdminServer({ apps: APPS, token: TOKEN });
    const outcome = await runCli(["webhooks", "list", ...words], {
      env: { RINGMASTER_ADMIN_URL: server.url, ...env },
      folder,
    });
    expect(outcome.stdout + outcome.stderr).not.toContain(TOKEN);
    return outcome;
  }

  test("comes from a file or the environment; the file counts more", async () => {
    expect((await list(["--token-file", "token"])).code).toBe(0);
    expect((await list([], { RINGMASTER_ADMIN_TOKEN: TOKEN })).code).toBe(0);
    const both = await list(["--token-file", "token"], { RINGMASTER_ADMIN_TOKEN: "wrong" });
    expect(both.code).toBe(0);
  });

  test.each([
    [[], {}, "answered 401: .* in --token-file or RINGMASTER_ADMIN_TOKEN; none was sent"],
    [
      [],
      { RINGMASTER_ADMIN_TOKEN: "wrong" },
      "401: .*; the one sent is from RINGMASTER_ADMIN_TOKEN",
    ],
    [["--token-file", "wrong"], {}, "401: .*; the one sent is from wrong"],
  ])("%p %p that is not the server's fails", async (words, env, told) => {
    const { code, stderr } = await list(words, env);
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error: .*${told}\n$`));
  });

  test.each([
    ["missing", "--token-file missing cannot be read (ENOENT)"],
    ["empty", "--token-file empty holds no token"],
    ["two-lines", "--token-file two-lines holds no token"],
  ])("in the file %s is a mistake", async (file, told) => {
    const { code, stderr } = await list(["--token-file", file]);
    expect(code).toBe(2);
    expect(stderr).toContain(told);
  });

  test("has no option of its own", async () => {
    expect(await list(["--token", "x"])).toMatchObject({ code: 2, stdout: "" });
  });

  test("goes nowhere that an answer points to", async () => {
    let asked = 0;
    await using elsewhere = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(String(++asked)),
    });
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => Response.redirect(`http://127.0.0.1:${elsewhere.port}/`),
    });
    const { code, stderr } = await runCli(["webhooks", "list"], {
      env: {
        RINGMASTER_ADMIN_URL: `http://127.0.0.1:${server.port}`,
        RINGMASTER_ADMIN_TOKEN: TOKEN,
      },
    });
    expect({ code, asked }).toEqual({ code: 1, asked: 0 });
    expect(stderr).toContain("answered 302; check whether it is the operations port");
  });
});

describe.concurrent("the server", () => {
  test("is this machine's unless said otherwise", async () => {
    await using server = adminServer();
    const port = String(server.port);
    for (const [words, env] of [
      [["--admin", `${server.url}/`], { RINGMASTER_ADMIN_URL: "http://127.0.0.1:1" }],
      [[], { RINGMASTER_ADMIN_URL: server.url, RINGMASTER_OPS_PORT: "1" }],
      [[], { RINGMASTER_OPS_PORT: port }],
    ] as const) {
      expect(await runCli(["webhooks", "list", ...words], { env })).toMatchObject({ code: 0 });
    }
  });

  test("that does not listen is told as such", async () => {
    const { code, stderr } = await webhooks({ url: "http://127.0.0.1:1" }, "list");
    expect(code).toBe(1);
    expect(stderr).toBe(
      "error: cannot reach http://127.0.0.1:1: nothing listens there (connection refused); start a server with `ringmaster serve`, or say with --admin where its operations port is\n",
    );
  });

  test.each([
    [200, "<html>", "answered with something other than JSON; check whether it is the operations"],
    [200, "[]", "answered without webhooks; check whether"],
    [200, '{"webhooks":[null]}', "answered without webhooks; check whether"],
    [404, "Here are /healthz, /readyz and /metrics\n", "answered 404; check whether it is"],
    [403, '{"error":"Only for \\u001b[2J"}', "answered 403: Only for \\u001b[2J\n"],
  ])("that answers %d %p is told as such", async (status, text, told) => {
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(text, { status }),
    });
    const { code, stdout, stderr } = await webhooks(
      { url: `http://127.0.0.1:${server.port}` },
      "list",
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(told);
  });
});

test.concurrent.each([
  [["list", "extra"], "too many arguments"],
  [["list", "--admin", "localhost:9601"], "--admin is no URL of a server"],
  [["list", "--admin", "http://user:hush@localhost:9601"], "--admin holds a user or password"],
  [["attempts", "--limit", "0"], "a whole number from 1 to 1000"],
  [["attempts", "--since", "soon"], "It must be a time such as"],
  [["attempts", "--follow", "--until", "1h"], "--follow and --until contradict each other"],
  [["attempts", "--follow", "--limit", "1"], "leave --limit out"],
  [["replay"], "say which: a job's id, --webhook"],
  [["replay", "job_1", "--all"], "--all goes with no filter"],
  [["pause"], "missing required argument 'webhook'"],
  [["test"], "missing required argument 'webhook'"],
])("webhooks %p is called wrongly", async (words, told) => {
  const { code, stdout, stderr } = await runCli(["webhooks", ...words]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(told);
  expect(stderr).not.toContain("hush");
});

test.concurrent.each(["list", "attempts", "failed", "replay", "pause", "resume", "test"])(
  "webhooks %s --help teaches",
  async (name) => {
    const { code, stdout, stderr } = await runCli(["webhooks", name, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`Examples:\n  ringmaster webhooks ${name}`);
    expect(stdout).toContain("Which server:\n  --admin <url>");
    expect(stdout).toContain("There is no option for the token itself");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  },
);

test("webhooks --help lists what there is", async () => {
  const { code, stdout } = await runCli(["webhooks", "--help"]);
  expect(code).toBe(0);
  for (const name of ["list", "attempts", "failed", "replay", "pause", "resume", "test"]) {
    expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
  }
});
