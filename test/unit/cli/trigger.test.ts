import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { CliRun, runCli, type CliOutcome, type CliRunOptions, RUN_TIMEOUT_MS } from "./cli-run.ts";
import { LocalServer } from "./local-server.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

const server = new LocalServer();
afterAll(() => server[Symbol.asyncDispose]());

function trigger(words: readonly string[], options: CliRunOptions = {}): Promise<CliOutcome> {
  return runCli(["trigger", ...words], { ...options, env: { ...server.env, ...options.env } });
}

interface Line {
  readonly channel: string;
  readonly event: string;
  readonly data: unknown;
}

/** A subscriber that is there already. */
async function listening(channels: readonly string[]): Promise<CliRun> {
  const run = new CliRun(["subscribe", ...channels, "--json", "--count", "1"], { env: server.env });
  for (const channel of channels) {
    await run.stdout.line(
      (line) => line.includes("subscription_succeeded") && line.includes(`"${channel}"`),
    );
  }
  return run;
}

async function firstEvent(run: CliRun): Promise<Line> {
  return JSON.parse(await run.stdout.line((line) => !line.includes('"pusher:'))) as Line;
}

describe.concurrent("trigger", () => {
  test("publishes to a channel and says so", async () => {
    await using run = await listening(["t-one"]);
    const { code, stdout, stderr } = await trigger(["t-one", "hello", '{"a":1}']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe(
      `Published hello to t-one (app 3 at http://127.0.0.1:${server.port}, status 200).\n`,
    );
    expect(await firstEvent(run)).toMatchObject({
      channel: "t-one",
      event: "hello",
      data: { a: 1 },
    });
  });

  test("publishes to several channels, private ones too, and tells what --info asks", async () => {
    await using run = await listening(["private-t-two"]);
    const { code, stdout } = await trigger([
      "t-none,private-t-two",
      "hello",
      "text",
      "--info",
      "subscription_count",
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain("Published hello to t-none, private-t-two (");
    expect(stdout).toEndWith(
      "\n\nCHANNEL        SUBSCRIPTION_COUNT\nt-none         0\nprivate-t-two  1\n",
    );
    expect(await firstEvent(run)).toMatchObject({ channel: "private-t-two", data: "text" });
  });

  test("prints the server's answer with --json", async () => {
    const plain = await trigger(["t-json", "hello", "--json"]);
    expect(plain.stdout).toBe("{}\n");
    const info = await trigger([
      "presence-t-json",
      "hello",
      "--json",
      "--info",
      "user_count,subscription_count",
    ]);
    expect(JSON.parse(info.stdout)).toEqual({
      channels: { "presence-t-json": { user_count: 0, subscription_count: 0 } },
    });
  });

  test("reads the data from stdin, without the newline at its end", async () => {
    await using run = await listening(["t-stdin"]);
    await trigger(["t-stdin", "hello", "-"], { input: "two\nlines\n" });
    expect((await firstEvent(run)).data).toBe("two\nlines");
  });

  test("sends {} when there is no data", async () => {
    await using run = await listening(["t-empty"]);
    await trigger(["t-empty", "hello"]);
    expect((await firstEvent(run)).data).toEqual({});
  });

  test("sends to a user on every connection that is signed in", async () => {
    await using run = new CliRun(
      ["subscribe", "--sign-in", "--user-id", "alice", "--json", "--count", "1"],
      {
        env: server.env,
      },
    );
    await run.stdout.line((line) => line.includes("subscription_succeeded"));
    const { code, stdout } = await trigger(["--user", "alice", "note", "You have mail"]);
    expect(code).toBe(0);
    expect(stdout).toStartWith("Published note to user alice (");
    expect(await firstEvent(run)).toMatchObject({
      channel: "#server-to-user-alice",
      event: "note",
      data: "You have mail",
    });
    expect((await run.outcome()).code).toBe(0);
  });

  test("leaves out the connection of --socket-id", async () => {
    await using run = await listening(["t-except"]);
    const connected = await run.stderr.line((line) => line.startsWith("connected to"));
    const socketId = connected.split(" ").at(-1)!;
    await trigger(["t-except", "first", "--socket-id", socketId]);
    await trigger(["t-except", "second"]);
    expect((await firstEvent(run)).event).toBe("second");
  });

  test("takes an encrypted event as it is, but encrypts none", async () => {
    const encrypted = await trigger(["private-encrypted-x", "e", '{"nonce":"n","ciphertext":"c"}']);
    expect(encrypted.code).toBe(0);
    const plain = await trigger(["private-encrypted-x", "e", "plain"]);
    expect(plain.code).toBe(2);
    expect(plain.stderr).toContain("encrypted with a key that only your application has");
  });

  test("tells the server's refusal in its own words", async () => {
    const { code, stdout, stderr } = await trigger(["t-long", "e", "x".repeat(10_241)]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(
      "answered 413: The data content of this event exceeds the allowed maximum",
    );
  });

  test("a wrong secret is a 401, with where it came from and without either secret", async () => {
    const { code, stderr } = await trigger(["t", "e"], {
      env: { RINGMASTER_APP_SECRET: "hush-wrong" },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /answered 401: Invalid signature: .* check the app's key and secret.*from the environment/,
    );
    expect(stderr).not.toContain("hush-wrong");
    expect(stderr).not.toContain(server.app.keys[0]!.secret);
    expect(stderr.trimEnd()).not.toContain("\n");
  });

  test("an unknown app is a 404 that names the id as the suspect", async () => {
    const { code, stderr } = await trigger(["t", "e"], { env: { RINGMASTER_APP_ID: "404" } });
    expect(code).toBe(1);
    expect(stderr).toContain("answered 404: Could not find app with id 404 — check the app's id");
  });

  test.each([
    [[], "the event is missing: ringmaster trigger <channel[,channel…]> <event> [data]"],
    [["demo"], "the event is missing"],
    [[",", "hello"], "the channel is missing"],
    [["demo", "hello", "some", "words"], "quote data that has spaces"],
    [["--user", "alice"], "the event is missing: ringmaster trigger --user <id> <event> [data]"],
    [["--user", "alice", "demo", "hello", "data"], "too many words"],
    [["demo", "hello", "--nonsense"], "unknown option '--nonsense'"],
    [
      ["demo", "hello", "--url", "http://k:s@h.test/apps/1", "--host", "h.test"],
      "cannot be used with",
    ],
    [["demo", "hello", "--port", "70000"], "a whole number from 1 to 65535"],
  ])("%p is called wrongly", async (words, told) => {
    const { code, stdout, stderr } = await trigger(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(told);
  });
});

describe.concurrent("trigger reaches the server", () => {
  test("behind a path prefix", async () => {
    await using prefixed = new LocalServer({ pathPrefix: "/rt" });
    const found = await runCli(["trigger", "demo", "e", "--path-prefix", "/rt"], {
      env: prefixed.env,
    });
    expect(found.code).toBe(0);
    const lost = await runCli(["trigger", "demo", "e"], { env: prefixed.env });
    expect(lost.code).toBe(1);
    expect(lost.stderr).toContain("check the app's id, and the path prefix");
  });

  test("of an app with letters in its secret that a URL must escape", async () => {
    const odd = testApp({ keys: [{ key: "k", secret: "a/b%c:d@e", active: true }] });
    await using own = new LocalServer({ app: odd });
    const url = `http://k:${encodeURIComponent("a/b%c:d@e")}@127.0.0.1:${own.port}/apps/3`;
    expect((await runCli(["trigger", "demo", "e"], { env: { RINGMASTER_URL: url } })).code).toBe(0);
  });
});
