import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { callApi } from "../e2e/support/http-api.ts";
import { Inbox } from "../e2e/support/inbox.ts";
import { RawWebSocket } from "../e2e/support/raw-web-socket.ts";
import { eventually, within } from "../e2e/support/wait.ts";
import { freePort } from "../support/redis-server.ts";

setDefaultTimeout(60_000);

const SCRIPT = join(process.cwd(), "examples/three-nodes/up.mjs");
const NODE = Bun.which("node") ?? "node";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringmaster-three-nodes-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Example {
  readonly child: ChildProcess;
  readonly lines: Inbox<string>;
  readonly ended: Promise<number | null>;
}

/** As `npm run up` starts it, in an empty folder. */
function up(args: readonly string[], path = process.env["PATH"] ?? ""): Example {
  const child = spawn(NODE, [SCRIPT, ...args], {
    cwd: folder,
    env: { PATH: path, HOME: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines = new Inbox<string>();
  for (const stream of [child.stdout, child.stderr])
    if (stream !== null) createInterface({ input: stream }).on("line", (line) => lines.push(line));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, lines, ended };
}

/** The first of three neighbours that are free. */
async function threePorts(): Promise<number> {
  return eventually("three free ports in a row", async () => {
    const first = await freePort();
    const areFree = [0, 1, 2].map((i) => {
      try {
        Bun.listen({ hostname: "0.0.0.0", port: first + i, socket: { data() {} } }).stop(true);
        return true;
      } catch {
        return false;
      }
    });
    return areFree.every(Boolean) && first;
  });
}

function isGone(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", () => resolve(true));
  });
}

test("The example is one server on three ports, and ^C leaves nothing running", async () => {
  const [port, opsPort] = [await threePorts(), await threePorts()];
  const example = up(["--port", `${port}`, "--ops-port", `${opsPort}`]);
  await example.lines.take("the nodes are ready", (line) => line.startsWith("^C stops"), 60_000);
  const redisLine = example.lines.all.find((line) => line.startsWith("  Redis"));
  const redisPort = Number(redisLine?.split(":")[1]);

  const made = readFileSync(join(folder, ".ringmaster/default-app.json"), "utf8");
  const app = JSON.parse(made) as { id: string; key: string; secret: string };
  const socket = await RawWebSocket.open({ port, key: app.key });
  await socket.message("pusher:connection_established");
  socket.send({ event: "pusher:subscribe", data: { channel: "demo" } });
  await socket.message("pusher_internal:subscription_succeeded");
  const answer = await callApi({ ...app, entry: { id: app.id, keys: [] } }, port + 1, {
    path: "/events",
    body: { name: "hello", channel: "demo", data: "world" },
  });
  expect(answer.status).toBe(200);
  expect((await socket.message("hello")).data).toBe("world");

  example.child.kill("SIGINT");
  expect(await within("the example ends", example.ended)).toBe(0);
  for (const taken of [port, port + 1, port + 2, opsPort, opsPort + 1, opsPort + 2, redisPort])
    expect({ taken, isGone: await isGone(taken) }).toEqual({ taken, isGone: true });
});

test("Without a redis-server the example says what to install, and ends with 1", async () => {
  const example = up([], folder);
  expect(await within("the example ends", example.ended)).toBe(1);
  expect(example.lines.all.join("\n")).toContain("apt install redis-server");
});

test("A port that is taken ends the example, with all it started, and says so", async () => {
  const [port, opsPort] = [await threePorts(), await threePorts()];
  using other = Bun.listen({ hostname: "0.0.0.0", port: port + 2, socket: { data() {} } });
  const example = up(["--port", `${port}`, "--ops-port", `${opsPort}`]);
  expect(await within("the example ends", example.ended)).toBe(1);
  expect(example.lines.all.join("\n")).toContain(`Is port ${other.port} or ${opsPort + 2} taken?`);
  expect(await isGone(port)).toBe(true);
});
