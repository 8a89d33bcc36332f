import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { testApp, type TestApp } from "./support/apps.ts";
import { publish } from "./support/http-api.ts";
import { pusherClient } from "./support/pusher-client.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster, type RingmasterOptions } from "./support/ringmaster.ts";
import { eventually, within } from "./support/wait.ts";

const app = testApp();

/** Runs a server that is not expected to get ready. */
async function failedStart(
  t: TestContext,
  options: RingmasterOptions,
): Promise<{ code: number | null; told: string }> {
  const server = Ringmaster.launch(options);
  t.after(() => server.signal("SIGKILL"));
  const { code } = await within("the server ends", server.exited);
  assert.equal(
    server.log.all.some(({ msg }) => msg === "ready"),
    false,
  );
  const told = server.stderr + server.otherOutput.join("\n") + JSON.stringify(server.log.all);
  return { code, told };
}

async function startedServer(t: TestContext, options: RingmasterOptions): Promise<Ringmaster> {
  const server = await Ringmaster.start(options);
  t.after(() => server.stop());
  return server;
}

test("Start: a port that is taken is a clear error and exit code 1", async (t) => {
  const first = await startedServer(t, { config: { apps: [app.entry] } });
  for (const flag of ["--port", "--ops-port"]) {
    const { code, told } = await failedStart(t, {
      config: { apps: [app.entry] },
      flags: { [flag]: String(first.port) },
    });
    assert.equal(code, 1);
    assert.match(told, /could not listen/);
    assert.match(told, new RegExp(String(first.port)), "the port is named");
  }
  await rawClient(t, app, { port: first.port });
});

const SECRET = "a-secret-that-must-never-be-shown";
const WRONG: readonly { what: string; options: RingmasterOptions; field: RegExp; hint: RegExp }[] =
  [
    {
      what: "a field with a wrong value",
      options: {
        config: {
          maxConnections: "six",
          apps: [{ ...app.entry, keys: [{ key: "k", secret: SECRET }] }],
        },
      },
      field: /\bmaxConnections\b/,
      hint: /give a whole number from 1 to 10000000/,
    },
    {
      what: "a field that does not exist",
      options: {
        config: {
          apps: [{ ...app.entry, keys: [{ key: "k", secret: SECRET, seecret: SECRET }] } as never],
        },
      },
      field: /apps\[0\]\.keys\[0\]/,
      hint: /secret/,
    },
    {
      what: "fields that contradict each other",
      options: {
        config: { apps: [{ ...app.entry, keys: [{ key: "k", secret: SECRET }] }] },
        flags: { "--drain-window-ms": "9000" },
      },
      field: /drain\.deadlineMs/,
      hint: /give more than 9000/,
    },
    {
      what: "a file that is no JSON or YAML",
      options: { config: `{"apps": [{"id": "1", "keys": [{"key": "k", "secret": "${SECRET}"` },
      field: /ringmaster\.json/,
      hint: /./,
    },
    {
      what: "a misspelt variable",
      options: {
        config: { apps: [app.entry] },
        env: { RINGMASTER_PROT: "1", RINGMASTER_APP_SECRET: SECRET },
      },
      field: /RINGMASTER_PROT/,
      hint: /RINGMASTER_PORT/,
    },
    {
      what: "a flag with a wrong value",
      options: { flags: { "--max-connections": "many" }, env: { RINGMASTER_APP_SECRET: SECRET } },
      field: /maxConnections/,
      hint: /--max-connections/,
    },
  ];
for (const { what, options, field, hint } of WRONG) {
  test(`Start: ${what} stops it with exit code 1, the field and what would be right, and no secret`, async (t) => {
    const { code, told } = await failedStart(t, options);
    assert.equal(code, 1);
    assert.match(told, /The configuration is wrong/);
    assert.match(told, field);
    assert.match(told, hint);
    assert.equal(told.includes(SECRET), false);
  });
}

test("Start: everything that is wrong is told at once", async (t) => {
  const { told } = await failedStart(t, {
    config: {
      pathPrefix: "six",
      maxConnections: 0,
      apps: [{ ...app.entry, enabled: "yes" } as never],
    },
  });
  for (const field of ["pathPrefix", "maxConnections", "apps[0].enabled"])
    assert.ok(told.includes(field), `${field} in ${told}`);
});

function defaultApp(dataDir: string): TestApp {
  const stored = JSON.parse(readFileSync(join(dataDir, "default-app.json"), "utf8")) as {
    id: string;
    key: string;
    secret: string;
  };
  return { ...stored, entry: { id: stored.id, keys: [stored] } };
}

test("Default app: without a configuration there is one with generated credentials and every feature on, and they survive a restart", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), "ringmaster-data-"));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const first = await Ringmaster.start({ dataDir });
  const made = defaultApp(dataDir);
  assert.equal(statSync(join(dataDir, "default-app.json")).mode & 0o077, 0, "for its owner only");
  assert.equal(JSON.stringify(first.log.all).includes(made.secret), false);
  const [one, two] = [
    pusherClient(t, made, { port: first.port, user: { id: "a", watchlist: ["b"] } }),
    pusherClient(t, made, { port: first.port }),
  ];
  const room = await one.subscribe("private-x");
  await two.subscribe("private-x");
  room.trigger("client-e", {});
  await two.message("client-e");
  await two.message("pusher_internal:subscription_count");
  one.pusher.signin();
  await one.message("pusher_internal:watchlist_events");
  await first.stop();

  const second = await startedServer(t, { dataDir });
  assert.deepEqual(defaultApp(dataDir), made);
  await publish(made, second.port, "private-x", "e");
  await rawClient(t, made, { port: second.port });
});

test("Default app: its id, key and secret may come from variables, and the port too, so that a container needs no file", async (t) => {
  const named = testApp();
  const port = await freePort(t);
  const server = await Ringmaster.start({
    env: {
      RINGMASTER_APP_ID: named.id,
      RINGMASTER_APP_KEY: named.key,
      RINGMASTER_APP_SECRET: named.secret,
      RINGMASTER_PORT: String(port),
      RINGMASTER_OPS_PORT: "0",
    },
    portsFromEnvironment: true,
  });
  t.after(() => server.stop());
  assert.equal(server.port, port);
  const client = pusherClient(t, named, { port });
  await client.subscribe("private-x");
  await publish(named, port, "private-x", "e");
  await client.message("e");
});

/** A port that was free a moment ago. */
async function freePort(t: TestContext): Promise<number> {
  const server = await Ringmaster.start({ config: { apps: [app.entry] } });
  t.after(() => server.signal("SIGKILL"));
  await server.stop();
  return server.port;
}

test("Open files: a low limit is warned about with the number of sockets that it allows, and kept", async (t) => {
  const server = await startedServer(t, {
    config: { apps: [app.entry] },
    launcher: ["sh", "-c", 'ulimit -n 300 && exec "$0" "$@"'],
  });
  const warning = await server.logged(
    "the limit of open files is low: raise it with ulimit -n or LimitNOFILE",
  );
  assert.equal(warning.level, "warn");
  assert.deepEqual([warning["openFiles"], warning["allowed"]], [300, 44]);
  const scrape = await server.metrics();
  assert.deepEqual(
    [scrape.sum("ringmaster_max_connections"), scrape.sum("process_max_fds")],
    [44, 300],
  );
});

test("Open files: a soft limit below the hard one is raised", async (t) => {
  const server = await startedServer(t, {
    config: { apps: [app.entry] },
    launcher: ["sh", "-c", 'ulimit -S -n 300 && exec "$0" "$@"'],
  });
  assert.ok((await server.metrics()).sum("process_max_fds") > 300);
});

test("Open files: a maxConnections beyond the limit is told and cut to it", async (t) => {
  const server = await startedServer(t, {
    config: { apps: [app.entry] },
    flags: { "--max-connections": "1000" },
    launcher: ["sh", "-c", 'ulimit -n 300 && exec "$0" "$@"'],
  });
  const warning = await server.logged("the limit of open files allows fewer sockets");
  assert.deepEqual(
    [warning["maxConnections"], warning["openFiles"], warning["allowed"]],
    [1_000, 300, 44],
  );
});

test("Log: every line is JSON with level, time and msg, and the ready line tells the ports", async (t) => {
  const server = await startedServer(t, { config: { apps: [app.entry] } });
  assert.deepEqual(server.otherOutput, []);
  for (const line of server.log.all) {
    assert.equal(typeof line.level, "string");
    assert.ok(!Number.isNaN(Date.parse(String(line["time"]))));
  }
  const ready = server.log.all.find(({ msg }) => msg === "ready");
  assert.deepEqual(
    [ready?.["port"], ready?.["tlsPort"], ready?.["opsPort"], ready?.["apps"]],
    [server.port, null, server.opsPort, 1],
  );
});

test("Log: for people it tells where to connect, the id and key, where the secret is and a line to paste, but not the secret", async (t) => {
  const server = Ringmaster.launch({ flags: { "--log-format": "pretty" } });
  t.after(() => server.signal("SIGKILL"));
  const text = await eventually("the banner", () => {
    const lines = server.otherOutput.join("\n");
    return lines.includes("ringmaster trigger demo") && lines;
  });
  const made = defaultApp(join(server.folder, "data"));
  const port = /ws:\/\/127\.0\.0\.1:(\d+)\/app\//.exec(text)?.[1];
  for (const part of [
    `App id      ${made.id}`,
    made.key,
    "default-app.json",
    `new Pusher("${made.key}"`,
    `wsPort: ${port}`,
  ]) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  assert.equal(text.includes(made.secret), false);
  await rawClient(t, made, { port: Number(port) });
  server.signal("SIGTERM");
  assert.equal((await within("the server ends", server.exited)).code, 0);
});

test("npm's command: bin/ringmaster.mjs runs on Node, starts the server and hands SIGTERM on", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ringmaster-bin-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const flags = [
    "--port",
    "0",
    "--ops-port",
    "0",
    "--data-dir",
    folder,
    "--drain-notice-ms",
    "0",
    "--drain-window-ms",
    "0",
  ];
  const child = spawn(process.execPath, ["bin/ringmaster.mjs", "serve", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await eventually("the server is ready", () => output.includes('"msg":"ready"')).catch(() =>
    assert.fail(`it is not ready, and said: ${output}`),
  );
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  assert.equal(await within("the command ends", ended), 0);
  assert.ok(output.includes('"msg":"stopped"'), output);
});
