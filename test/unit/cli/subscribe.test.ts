import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiClient } from "../../../src/cli/client/api-client.ts";
import { resolveTarget } from "../../../src/cli/client/target.ts";
import { testApp } from "../../support/apps.ts";
import { CERTIFICATE } from "../config/certificates.ts";
import { CliRun, runCli, RUN_TIMEOUT_MS } from "./cli-run.ts";
import { LocalServer } from "./local-server.ts";
import { ScriptedServer, type ScriptedSocket } from "./scripted-server.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

const server = new LocalServer();
afterAll(() => server[Symbol.asyncDispose]());

interface Line {
  readonly time: string;
  readonly channel: string | null;
  readonly event: string;
  readonly data: unknown;
  readonly user_id: string | null;
}

function subscribe(words: readonly string[], env: Record<string, string> = server.env): CliRun {
  return new CliRun(["subscribe", ...words], { env });
}

function trigger(...words: string[]): Promise<unknown> {
  return runCli(["trigger", ...words], { env: server.env });
}

async function jsonLine(run: CliRun, event: string): Promise<Line> {
  return JSON.parse(await run.stdout.line((line) => line.includes(`"${event}"`))) as Line;
}

async function subscribed(run: CliRun, channel: string): Promise<void> {
  await run.stdout.line(
    (line) => line.includes("pusher:subscription_succeeded") && line.includes(channel),
  );
}

describe.concurrent("subscribe prints events", () => {
  test("of public and private channels as text", async () => {
    await using run = subscribe(["s-text", "private-s-text"]);
    await subscribed(run, "private-s-text");
    await trigger("s-text,private-s-text", "hello", '{"a":1}');
    const lines = [
      await run.stdout.line((line) => line.includes("hello")),
      await run.stdout.line((line) => line.includes("hello")),
    ];
    expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} {2}/, "")).toSorted()).toEqual([
      'private-s-text  hello  {"a":1}',
      's-text  hello  {"a":1}',
    ]);
  });

  test("as JSON, one object a line", async () => {
    await using run = subscribe(["s-json", "--json"]);
    const before = Date.now();
    expect(await jsonLine(run, "pusher:subscription_succeeded")).toMatchObject({
      channel: "s-json",
      data: {},
    });
    expect(await jsonLine(run, "pusher:subscription_count")).toMatchObject({
      data: { subscription_count: 1 },
    });
    await trigger("s-json", "hello", '{"a":[1,2]}');
    const line = await jsonLine(run, "hello");
    expect(line).toEqual({
      time: expect.any(String),
      channel: "s-json",
      event: "hello",
      data: { a: [1, 2] },
      user_id: null,
    });
    expect(Math.abs(Date.parse(line.time) - before)).toBeLessThan(60_000);
  });

  test("of presence channels, with who comes and goes", async () => {
    await using alice = subscribe([
      "presence-s",
      "--user-id",
      "alice",
      "--user-info",
      '{"name":"Alice"}',
      "--json",
    ]);
    expect(await jsonLine(alice, "pusher:subscription_succeeded")).toMatchObject({
      data: { presence: { count: 1, ids: ["alice"], hash: { alice: { name: "Alice" } } } },
    });
    await using bob = subscribe(["presence-s", "--user-id", "bob", "--json"]);
    expect(await jsonLine(alice, "pusher:member_added")).toMatchObject({
      channel: "presence-s",
      data: { user_id: "bob" },
    });
    bob.signal("SIGINT");
    expect((await bob.outcome()).code).toBe(0);
    expect(await jsonLine(alice, "pusher:member_removed")).toMatchObject({
      data: { user_id: "bob" },
    });
  });

  test("as somebody, when no user id is given", async () => {
    await using run = subscribe(["presence-anyone", "--json"]);
    const { data } = await jsonLine(run, "pusher:subscription_succeeded");
    expect(data).toMatchObject({ presence: { ids: [expect.stringMatching(/^cli-[0-9a-f]{8}$/)] } });
  });

  test("of cache channels: the miss, or the last event", async () => {
    await using early = subscribe(["cache-s", "--json"]);
    expect(await jsonLine(early, "pusher:cache_miss")).toMatchObject({
      channel: "cache-s",
      data: null,
    });
    await trigger("cache-s", "kept", "1");
    await using late = subscribe(["cache-s", "--json"]);
    expect(await jsonLine(late, "kept")).toMatchObject({ data: 1 });
  });

  test("with the sender of a client event, and errors as they come", async () => {
    await using scripted = new ScriptedServer({
      opened: (socket) => socket.establish(),
      received(socket, { event }) {
        if (event !== "pusher:subscribe") return;
        socket.send({
          event: "pusher_internal:subscription_succeeded",
          channel: "presence-c",
          data: "{}",
        });
        socket.send({
          event: "client-typing",
          channel: "presence-c",
          data: { on: true },
          user_id: "carol",
        });
        socket.send({ event: "pusher:error", data: { code: 4301, message: "too fast" } });
      },
    });
    await using run = subscribe(["presence-c", "--json"], scripted.env);
    expect(await jsonLine(run, "client-typing")).toMatchObject({
      data: { on: true },
      user_id: "carol",
    });
    expect(await jsonLine(run, "pusher:error")).toMatchObject({
      channel: null,
      data: { code: 4301, message: "too fast" },
    });
  });

  test("with no more than the key on public channels", async () => {
    const { RINGMASTER_PORT, RINGMASTER_APP_KEY } = server.env;
    await using run = subscribe(["s-key"], {
      RINGMASTER_PORT: RINGMASTER_PORT!,
      RINGMASTER_APP_KEY: RINGMASTER_APP_KEY!,
    });
    await subscribed(run, "s-key");
  });

  test("over TLS, when the authority is known", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringmaster-authority-"));
    const authority = join(folder, "authority.pem");
    await writeFile(authority, CERTIFICATE);
    await using secure = new LocalServer({ tls: true });
    const words = ["s-tls", "--tls", "--host", "localhost", "--port", String(secure.port)];
    await using run = subscribe(words, { ...secure.env, NODE_EXTRA_CA_CERTS: authority });
    await subscribed(run, "s-tls");
    await rm(folder, { recursive: true });
  });

  test("of the server that was started in the same folder, without a word about it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringmaster-folder-"));
    await mkdir(join(folder, ".ringmaster"));
    const { key, secret } = server.app.keys[0]!;
    await writeFile(
      join(folder, ".ringmaster/default-app.json"),
      JSON.stringify({ id: server.app.id, key, secret }),
    );
    const env = { RINGMASTER_PORT: String(server.port) };
    await using run = new CliRun(["subscribe", "private-s-folder", "--count", "1"], {
      env,
      folder,
    });
    await subscribed(run, "private-s-folder");
    expect((await runCli(["trigger", "private-s-folder", "hello"], { env, folder })).code).toBe(0);
    expect((await run.outcome()).code).toBe(0);
    await rm(folder, { recursive: true });
  });
});

describe.concurrent("subscribe ends", () => {
  test("after --count events, of which the protocol's own are none", async () => {
    await using run = subscribe(["s-count", "--count", "2", "--json"]);
    await subscribed(run, "s-count");
    await trigger("s-count", "one");
    await trigger("s-count", "two");
    await trigger("s-count", "three");
    const { code, stdout } = await run.outcome();
    expect(code).toBe(0);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as Line).event);
    expect(events.filter((event) => !event.startsWith("pusher:"))).toEqual(["one", "two"]);
  });

  test("with 1 when --timeout comes before --count events", async () => {
    await using run = subscribe(["s-timeout", "--count", "1", "--timeout", "300"]);
    const { code, stderr } = await run.outcome();
    expect(code).toBe(1);
    expect(stderr).toEndWith("error: 0 of 1 events came within 300 ms\n");
  });

  test("with 0 when the events come before --timeout", async () => {
    await using run = subscribe(["s-intime", "--count", "1", "--timeout", "60000"]);
    await subscribed(run, "s-intime");
    await trigger("s-intime", "hello");
    expect((await run.outcome()).code).toBe(0);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "with 0 at %s, and its subscriptions with it",
    async (signal) => {
      await using run = subscribe([`s-${signal}`]);
      await subscribed(run, `s-${signal}`);
      run.signal(signal);
      expect((await run.outcome()).code).toBe(0);
      const { stdout } = await runCli(["channels", "--prefix", `s-${signal}`, "--json"], {
        env: server.env,
      });
      expect(stdout).toBe('{"channels":{}}\n');
    },
  );

  test("with 1 when the application terminates the user's connections", async () => {
    await using run = subscribe(["--sign-in", "--user-id", "mallory"]);
    await subscribed(run, "#server-to-user-mallory");
    await new ApiClient(await resolveTarget({}, server.env, "/")).post(
      "/users/mallory/terminate_connections",
      {},
    );
    const { code, stderr } = await run.outcome();
    expect(code).toBe(1);
    expect(stderr).toContain(
      "closed the connection with 4009: Connection terminated by the application\n",
    );
  });
});

describe.concurrent("subscribe is refused", () => {
  test("by an app that does not know the key", async () => {
    await using run = subscribe(["demo"], { ...server.env, RINGMASTER_APP_KEY: "nokey" });
    const { code, stdout, stderr } = await run.outcome();
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(
      `error: ws://127.0.0.1:${server.port} closed the connection with 4001: App key nokey not in this cluster. Did you ` +
        "forget to specify the cluster? — check the app's key; those used are from the environment\n",
    );
  });

  test("with a wrong secret, which is not shown", async () => {
    await using run = subscribe(["private-s"], {
      ...server.env,
      RINGMASTER_APP_SECRET: "hush-wrong",
    });
    const { code, stderr } = await run.outcome();
    expect(code).toBe(1);
    expect(stderr).toContain(
      "error: the server refused private-s: Invalid signature: Expected HMAC SHA256",
    );
    expect(stderr).toContain("check the app's secret; those used are from the environment");
    expect(stderr).not.toContain("hush-wrong");
  });

  test("by a full presence channel", async () => {
    await using full = new LocalServer({ app: testApp({ limits: { presenceMembers: 1 } }) });
    await using first = subscribe(["presence-full"], full.env);
    await subscribed(first, "presence-full");
    await using second = subscribe(["presence-full"], full.env);
    const { code, stderr } = await second.outcome();
    expect(code).toBe(1);
    expect(stderr).toContain(
      "the server refused presence-full: Presence channel presence-full is full",
    );
  });

  test("by an app that wants TLS", async () => {
    await using own = new LocalServer({ app: testApp({ forceTls: true }) });
    await using run = subscribe(["demo"], own.env);
    expect((await run.outcome()).stderr).toMatch(/closed the connection with 4000: .*use --tls/);
  });

  test("by a server that says it in an error and closes without a code", async () => {
    await using scripted = new ScriptedServer({
      opened(socket) {
        socket.send({
          event: "pusher:error",
          data: { code: 4001, message: "Application does not exist" },
        });
        socket.close(1000);
      },
    });
    await using run = subscribe(["demo"], scripted.env);
    const { code, stderr } = await run.outcome();
    expect(code).toBe(1);
    expect(stderr).toContain("with 4001: Application does not exist");
  });

  test("without a secret, before anything is sent", async () => {
    await using run = subscribe(["private-s", "--key", "k"], {});
    const { code, stderr } = await run.outcome();
    expect(code).toBe(2);
    expect(stderr).toContain("give the app's secret (RINGMASTER_APP_SECRET)");
  });

  test.each([
    [[], "name a channel"],
    [["demo", "--timeout", "100"], "--timeout needs --count"],
    [["demo", "--count", "0"], "a whole number from 1"],
    [["presence-x", "--user-info", "{"], "It must be JSON"],
    [["--sign-in"], "--sign-in needs --user-id"],
    [["#server-to-user-alice"], "use --sign-in --user-id <id>"],
  ])("when called with %p", async (words, told) => {
    await using run = subscribe(words);
    const { code, stderr } = await run.outcome();
    expect(code).toBe(2);
    expect(stderr).toContain(told);
  });
});

/** Says yes to subscriptions; on the second connection publishes an event. */
function returning(closeFirst: (socket: ScriptedSocket) => void): ScriptedServer {
  return new ScriptedServer({
    opened: (socket) => socket.establish(),
    received(socket, { event, data }) {
      if (event !== "pusher:subscribe") return;
      const { channel } = data as { channel: string };
      socket.send({ event: "pusher_internal:subscription_succeeded", channel, data: "{}" });
      if (socket.number === 1) closeFirst(socket);
      else socket.send({ event: "back", channel, data: "1" });
    },
  });
}

describe("subscribe comes back", () => {
  test("at once after 4200, with its subscriptions and a note", async () => {
    await using scripted = returning((socket) =>
      socket.close(4200, "Please reconnect immediately"),
    );
    await using run = subscribe(["demo", "--count", "1", "--json"], scripted.env);
    const { code, stdout, stderr } = await run.outcome();
    expect(code).toBe(0);
    expect(stdout.match(/pusher:subscription_succeeded/g)).toHaveLength(2);
    expect(stderr).toContain(
      "the connection was closed with 4200: Please reconnect immediately; connecting again\n",
    );
    expect(stderr).toContain("as socket 1.2\n");
    const [first, second] = scripted.openedAtMs;
    expect(second! - first!).toBeLessThan(900);
  });

  test.each([4100, 1001])("a second after %d", async (closeCode) => {
    await using scripted = returning((socket) => socket.close(closeCode));
    await using run = subscribe(["demo", "--count", "1"], scripted.env);
    const { code, stderr } = await run.outcome();
    expect(code).toBe(0);
    expect(stderr).toContain("; connecting again in 1 s\n");
    const [first, second] = scripted.openedAtMs;
    expect(second! - first!).toBeGreaterThan(950);
  });

  test("as the same member of a presence channel, signed for the new socket", async () => {
    const auths: { readonly auth: string; readonly channel_data: string }[] = [];
    await using scripted = new ScriptedServer({
      opened: (socket) => socket.establish(),
      received(socket, { event, data }) {
        if (event !== "pusher:subscribe") return;
        auths.push(data as (typeof auths)[number]);
        if (socket.number === 1) socket.close(4200);
        else socket.send({ event: "back", channel: "presence-x", data: "1" });
      },
    });
    await using run = subscribe(["presence-x", "--count", "1"], scripted.env);
    expect((await run.outcome()).code).toBe(0);
    expect(auths[0]?.channel_data).toBe(auths[1]!.channel_data);
    expect(auths[0]?.auth).not.toBe(auths[1]!.auth);
  });

  test("not at Ctrl-C while it waits for the second to pass", async () => {
    await using scripted = returning((socket) => socket.close(4100));
    await using run = subscribe(["demo"], scripted.env);
    await run.stderr.line((line) => line.includes("connecting again in 1 s"));
    run.signal("SIGINT");
    expect((await run.outcome()).code).toBe(0);
    expect(scripted.openedAtMs).toHaveLength(1);
  });
});

describe("subscribe keeps the connection alive", () => {
  test("by answering pings", async () => {
    await using scripted = new ScriptedServer({
      opened(socket) {
        socket.establish();
        socket.send({ event: "pusher:ping", data: {} });
      },
      received(socket, { event }) {
        if (event === "pusher:pong") socket.send({ event: "thanks", channel: "demo", data: "1" });
      },
    });
    await using run = subscribe(["demo", "--count", "1"], scripted.env);
    const { code, stdout } = await run.outcome();
    expect(code).toBe(0);
    expect(stdout).not.toContain("ping");
  });

  test("by pinging when the server was silent for its activity timeout", async () => {
    await using scripted = new ScriptedServer({
      opened: (socket) => socket.establish(0.05),
      received(socket, { event }) {
        if (event === "pusher:ping") socket.send({ event: "heard", channel: "demo", data: "1" });
      },
    });
    await using run = subscribe(["demo", "--count", "1"], scripted.env);
    expect((await run.outcome()).code).toBe(0);
  });
});
