import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { CliRun, runCli, type CliOutcome, RUN_TIMEOUT_MS } from "./cli-run.ts";
import { LocalServer } from "./local-server.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

const server = new LocalServer();
const members: CliRun[] = [];

beforeAll(async () => {
  for (const words of [
    ["presence-room", "--user-id", "alice"],
    ["presence-room", "--user-id", "alice"],
    ["presence-room", "cache-news", "--user-id", "bob"],
  ]) {
    const run = new CliRun(["subscribe", ...words], { env: server.env });
    members.push(run);
    await run.stdout.line((line) => line.includes("pusher:subscription_succeeded"));
  }
  await members.at(-1)!.stdout.line((line) => line.includes("cache_miss"));
});

afterAll(async () => {
  for (const run of members) await run[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function channels(...words: string[]): Promise<CliOutcome> {
  return runCli(["channels", ...words], { env: server.env });
}

describe.concurrent("channels lists what is occupied", () => {
  test("as a table", async () => {
    expect(await channels()).toEqual({
      code: 0,
      stdout: "CHANNEL\npresence-room\ncache-news\n",
      stderr: "",
    });
  });

  test("with attributes", async () => {
    expect((await channels("--info", "subscription_count")).stdout).toBe(
      "CHANNEL        SUBSCRIPTION_COUNT\npresence-room  3\ncache-news     1\n",
    );
  });

  test("by prefix, with the users where all are presence channels", async () => {
    expect((await channels("--prefix", "presence-")).stdout).toBe(
      "CHANNEL        USER_COUNT\npresence-room  2\n",
    );
    expect((await channels("--prefix", "cache-")).stdout).toBe("CHANNEL\ncache-news\n");
  });

  test("as JSON", async () => {
    const { stdout } = await channels("--json", "--prefix", "presence-", "--info", "user_count");
    expect(JSON.parse(stdout)).toEqual({ channels: { "presence-room": { user_count: 2 } } });
  });

  test("and says when there is none", async () => {
    expect((await channels("--prefix", "none-")).stdout).toBe(
      `No channel whose name begins with none- has a subscriber (app 3 at http://127.0.0.1:${server.port}).\n`,
    );
    expect((await channels("--prefix", "none-", "--json")).stdout).toBe('{"channels":{}}\n');
  });
});

describe.concurrent("channels shows one channel", () => {
  test("with all that it can have", async () => {
    expect((await channels("presence-room")).stdout).toBe(
      "channel             presence-room\noccupied            yes\nuser_count          2\nsubscription_count  3\n",
    );
  });

  test("with the last event of a cache channel", async () => {
    expect((await channels("cache-empty")).stdout).toBe(
      "channel             cache-empty\noccupied            no\nsubscription_count  0\ncache               empty\n",
    );
    await runCli(["trigger", "cache-full", "e", '{"a":1}'], { env: server.env });
    expect((await channels("cache-full")).stdout).toMatch(
      /^cache +\{"a":1\} {2}\(kept for \d+ s more\)$/m,
    );
  });

  test("with what was asked for", async () => {
    const { stdout } = await channels("presence-room", "--info", "user_count", "--json");
    expect(JSON.parse(stdout)).toEqual({ occupied: true, user_count: 2 });
  });

  test("without the count where the app has counting off", async () => {
    await using silent = new LocalServer({ app: testApp({ subscriptionCount: false }) });
    const shown = await runCli(["channels", "presence-room", "--json"], { env: silent.env });
    expect(JSON.parse(shown.stdout)).toEqual({ occupied: false, user_count: 0 });
    const asked = await runCli(["channels", "demo", "--info", "subscription_count"], {
      env: silent.env,
    });
    expect(asked.code).toBe(1);
    expect(asked.stderr).toContain("answered 400: Cannot retrieve the subscription count");
  });

  test("and its users", async () => {
    expect((await channels("presence-room", "--users")).stdout).toBe("USER\nalice\nbob\n");
    const { stdout } = await channels("presence-room", "--users", "--json");
    expect(JSON.parse(stdout)).toEqual({ users: [{ id: "alice" }, { id: "bob" }] });
    expect((await channels("presence-empty", "--users")).stdout).toStartWith(
      "No user is on presence-empty",
    );
  });

  test("but no users of one that is no presence channel", async () => {
    const { code, stderr } = await channels("demo", "--users");
    expect(code).toBe(1);
    expect(stderr).toContain("answered 400: Users can only be retrieved for presence channels");
  });
});

test.concurrent.each([
  [["--users"], "--users needs the name of a presence channel"],
  [["demo", "--prefix", "d"], "--prefix is for the list"],
  [["presence-x", "--users", "--info", "user_count"], "ask one"],
  [["no/name"], "no/name is no name of a channel"],
  [["#server-to-user-alice"], "is no name of a channel"],
  [["one", "two"], "too many arguments"],
])("channels %p is called wrongly", async (words, told) => {
  const { code, stdout, stderr } = await channels(...words);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(told);
});
