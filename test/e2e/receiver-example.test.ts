import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { newKey, testApp } from "./support/apps.ts";
import { Inbox } from "./support/inbox.ts";
import { rawClient } from "./support/raw-web-socket.ts";
import { Ringmaster, ROOT } from "./support/ringmaster.ts";

interface KeyPair {
  readonly key: string;
  readonly secret: string;
}

interface RunningReceiver {
  readonly port: number;
  readonly lines: Inbox<string>;
}

async function startReceiver(
  t: TestContext,
  ...pairs: readonly KeyPair[]
): Promise<RunningReceiver> {
  const child = spawn(process.execPath, [join(ROOT, "examples/receiver/receiver.mjs")], {
    env: { PORT: "0", PUSHER_KEYS: pairs.map(({ key, secret }) => `${key}:${secret}`).join(" ") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const lines = new Inbox<string>();
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const listening = await lines.take("it listens", (line) => line.startsWith("listening"));
  return { port: Number(listening.split(" ").at(-1)), lines };
}

interface Hook {
  readonly id: string;
  readonly sequence: string;
  readonly events: readonly object[];
  readonly signedWith?: string;
}

async function post(port: number, { key, secret }: KeyPair, hook: Hook): Promise<number> {
  const body = JSON.stringify({ time_ms: 1, events: hook.events });
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-pusher-key": key,
      "x-pusher-signature": createHmac("sha256", hook.signedWith ?? secret)
        .update(body)
        .digest("hex"),
      "webhook-id": hook.id,
      "ringmaster-sequence": hook.sequence,
    },
    body,
  });
  return response.status;
}

const OCCUPIED = { name: "channel_occupied", channel: "c" };
const VACATED = { name: "channel_vacated", channel: "c" };

test("Example receiver: the server's webhooks are genuine to it, and come in order", async (t) => {
  const pair = newKey();
  const receiver = await startReceiver(t, pair);
  const app = testApp({
    webhooks: [
      {
        url: `http://127.0.0.1:${receiver.port}/`,
        events: ["channel_occupied", "channel_vacated"],
      },
    ],
  });
  const own = { ...app, ...pair, entry: { ...app.entry, keys: [pair] } };
  const server = await Ringmaster.start({
    config: { apps: [own.entry], sender: { allowedNetworks: ["127.0.0.0/8"] } },
  });
  t.after(() => server.stop());
  const client = await rawClient(t, own, { port: server.port });
  await client.subscribe("c");
  const first = await receiver.lines.take("it is occupied", (line) => line.startsWith("event"));
  assert.match(first, /^event +1 \{"name":"channel_occupied","channel":"c"\}$/);
  client.socket.close();
  const second = await receiver.lines.take("it is vacated", (line) => line.includes("vacated"));
  assert.match(second, /^event +2 \{"name":"channel_vacated","channel":"c"\}$/);
  assert.equal(receiver.lines.all.length, 3);
});

test("Example receiver: a wrong signature, an unknown key or no headers are answered 401", async (t) => {
  const pair = newKey();
  const { port, lines } = await startReceiver(t, pair);
  const hook = { id: "job_1", sequence: "1", events: [OCCUPIED] };
  assert.equal(await post(port, pair, { ...hook, signedWith: "wrong" }), 401);
  assert.equal(await post(port, newKey(), hook), 401);
  assert.equal(
    (await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "{}" })).status,
    401,
  );
  assert.equal(await post(port, pair, hook), 200);
  await lines.take("it is occupied", (line) => line.startsWith("event"));
  assert.equal(lines.all.length, 2);
});

test("Example receiver: every key that it knows signs, so that keys can be rotated", async (t) => {
  const [old, fresh] = [newKey(), newKey()];
  const { port } = await startReceiver(t, old, fresh);
  for (const [place, pair] of [old, fresh].entries())
    assert.equal(
      await post(port, pair, { id: `job_${place}`, sequence: `${place}`, events: [OCCUPIED] }),
      200,
    );
});

test("Example receiver: what comes twice is handled once, and what comes late changes no newer state", async (t) => {
  const pair = newKey();
  const { port, lines } = await startReceiver(t, pair);
  const left = { name: "member_removed", channel: "c", user_id: "1" };
  const joined = { name: "member_added", channel: "c", user_id: "2" };
  const said = {
    name: "client_event",
    channel: "c",
    event: "client-e",
    data: "",
    socket_id: "1.1",
  };
  for (const hook of [
    { id: "job_1", sequence: "7,8", events: [VACATED, joined] },
    { id: "job_1", sequence: "7,8", events: [VACATED, joined] },
    // Each is older than what was told last, but only the first tells of the same thing.
    { id: "job_2", sequence: "3,4,5", events: [OCCUPIED, left, said] },
  ])
    assert.equal(await post(port, pair, hook), 200);
  await lines.take("the last is told", (line) => line.includes("client-e"));
  assert.deepEqual(lines.all.slice(1), [
    `event    7 ${JSON.stringify(VACATED)}`,
    `event    8 ${JSON.stringify(joined)}`,
    "again    job_1",
    `outdated 3 ${JSON.stringify(OCCUPIED)}`,
    `event    4 ${JSON.stringify(left)}`,
    `event    5 ${JSON.stringify(said)}`,
  ]);
});
