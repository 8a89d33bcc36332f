import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { testApp, type AppEntry } from "./support/apps.ts";
import { publish } from "./support/http-api.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { receiverFor } from "./support/receiver.ts";
import { Ringmaster, type LogLine } from "./support/ringmaster.ts";
import { sqlite } from "./support/sqlite.ts";
import { within } from "./support/wait.ts";
import { dataOf, webhookConfig, webhookServer } from "./support/webhook-server.ts";
import { OCCUPIED, occupiedOf, occupy, to } from "./support/webhook-traffic.ts";

/** Nobody, not even root, can make a folder there: as in a container whose file system is read-only. */
const NOWHERE = "/dev/null/data";
const NO_DATABASE = "no database: what webhooks are owed would be kept in memory; no app has one";

const withWebhook = testApp({ webhooks: [{ url: "https://example.com/webhooks" }] });

function emptyFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "ringmaster-database-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The last line of a start that must fail, whose message is for people. */
async function refusal(
  t: TestContext,
  entry: AppEntry,
  options: { dataDir?: string; flags?: Record<string, string> },
): Promise<LogLine> {
  const server = Ringmaster.launch({ config: webhookConfig([entry]), ...options });
  t.after(() => server.signal("SIGKILL"));
  const { code } = await within("the server ends", server.exited);
  assert.deepEqual([code, server.stderr], [1, ""]);
  const line = server.log.all.at(-1)!;
  assert.equal(line.level, "fatal");
  assert.equal(
    server.log.all.some(({ msg }) => msg === "ready"),
    false,
  );
  return line;
}

describe("Starting with webhooks:", { concurrency: 2 }, () => {
  test("without a folder that can be written, a server without webhooks serves, and warns", async (t) => {
    const app = testApp();
    const server = await webhookServer(t, { apps: [app.entry], dataDir: NOWHERE });
    const { level } = await server.logged(NO_DATABASE);
    assert.equal(level, "warn");
    const client = await rawClient(t, app, { port: server.port });
    await client.subscribe("served");
    await publish(app, server.port, "served", "e");
    await client.socket.message("e");
    assert.equal((await server.ops("/healthz")).status, 200);
  });

  test("a webhook that is added to such a server works, and it is said that nothing of it lasts", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const server = await webhookServer(t, { apps: [plain.entry], dataDir: NOWHERE });
    const app = to(receiver, plain, OCCUPIED);
    server.configure(webhookConfig([app.entry]));
    const { level } = await server.logged(
      "there is no database: what webhooks are owed is lost when this process ends",
    );
    assert.equal(level, "warn");
    occupy(await rawClient(t, app, { port: server.port }), "fleeting-", 3);
    await occupiedOf(receiver, "fleeting-", 3);
  });

  test("without a folder that can be written, a server with webhooks refuses to start, and says what to give it", async (t) => {
    const { msg } = await refusal(t, withWebhook.entry, { dataDir: NOWHERE });
    assert.match(
      msg,
      /^\/dev\/null\/data\/ringmaster\.db cannot be opened \(.*\); give a database\.file/,
    );
  });

  test("the database is readable to its owner alone", async (t) => {
    const server = await webhookServer(t, { apps: [withWebhook.entry] });
    assert.equal(statSync(dataOf(server)).mode & 0o077, 0);
  });

  test("the database of another program is left as it is, and the start refused", async (t) => {
    const file = join(emptyFolder(t), "accounts.db");
    await sqlite(file, "CREATE TABLE accounts (id INTEGER)");
    const before = readFileSync(file);
    const { msg } = await refusal(t, withWebhook.entry, { flags: { "--database-file": file } });
    assert.equal(msg, `${file} is the database of another program; give another database.file`);
    assert.deepEqual(await sqlite(file, "SELECT name FROM sqlite_schema"), [{ name: "accounts" }]);
    assert.equal(readFileSync(file).length, before.length);
  });

  test("a database of a newer Ringmaster is refused", async (t) => {
    const first = await webhookServer(t, { apps: [withWebhook.entry] });
    await first.stop();
    await sqlite(join(dataOf(first), "ringmaster.db"), "PRAGMA user_version = 1000");
    const { msg } = await refusal(t, withWebhook.entry, { dataDir: dataOf(first) });
    assert.match(
      msg,
      /was written by a newer Ringmaster \(tables of version 1000, this one knows \d+\)/,
    );
  });

  test("a file that is no database is refused as damaged", async (t) => {
    const file = join(emptyFolder(t), "ringmaster.db");
    writeFileSync(file, "this is no database\n".repeat(1_000));
    const { msg } = await refusal(t, withWebhook.entry, { flags: { "--database-file": file } });
    assert.match(msg, /ringmaster\.db is damaged \(.*\); restore a backup, or move the file away/);
  });

  test("a database with pages of something else is refused as damaged", async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = to(receiver, plain, OCCUPIED);
    const first = await webhookServer(t, { apps: [app.entry] });
    occupy(await rawClient(t, app, { port: first.port }), "written-", 50);
    await occupiedOf(receiver, "written-", 50);
    await first.stop();
    const file = join(dataOf(first), "ringmaster.db");
    const bytes = readFileSync(file);
    const pageBytes = bytes.readUInt16BE(16);
    // The first page is right, so that only who looks further finds out.
    bytes.fill(0xa5, pageBytes, 8 * pageBytes);
    writeFileSync(file, bytes);
    const { msg } = await refusal(t, app.entry, { dataDir: dataOf(first) });
    assert.match(msg, /ringmaster\.db is damaged \(.*\); restore a backup, or move the file away/);
  });

  test("where the locks beside the database cannot be had, the start is refused with a sentence", async (t) => {
    const folder = emptyFolder(t);
    mkdirSync(join(folder, "ringmaster.db-channels.lock"));
    const { msg } = await refusal(t, withWebhook.entry, {
      flags: { "--database-file": join(folder, "ringmaster.db") },
    });
    assert.match(msg, /ringmaster\.db-channels\.lock cannot be opened/);
  });
});
