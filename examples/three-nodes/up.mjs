#!/usr/bin/env node
/**
 * Three nodes on one Redis, as one server, for trying: `npm run up`. Node 20 or newer, npm ci, and a redis-server of version
 * 7 or later (or valkey-server) in the PATH.
 *
 *   node examples/three-nodes/up.mjs [--port 6001] [--ops-port 9601]      the first of three ports each
 *
 * The Redis is a new one, on a free port, with its data in .ringmaster/three-nodes; no other Redis is touched. The nodes take
 * their settings from RINGMASTER_ variables as always, and their default app from .ringmaster. ^C stops everything.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const NODES = 3;
const POLL_MS = 100;
const PATIENCE_MS = 60_000;
/** npm hands ^C on that the terminal has told us already. */
const ECHO_MS = 500;
const RINGMASTER = fileURLToPath(new URL("../../bin/ringmaster.mjs", import.meta.url));
/** A person waits: sockets go within a second. */
const QUICK_DRAIN = ["--drain-notice-ms=0", "--drain-window-ms=1000", "--drain-deadline-ms=8000"];

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "6001" },
    "ops-port": { type: "string", default: "9601" },
  },
});
const nodes = Array.from({ length: NODES }, (_, i) => ({
  name: `node ${i + 1}`,
  port: Number(values.port) + i,
  opsPort: Number(values["ops-port"]) + i,
  ended: undefined,
}));

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
let redis;
/** When it was asked to stop. */
let stoppingSince;

const program = ["redis-server", "valkey-server"].find(isInstalled);
if (program === undefined) {
  console.error(
    "There is no redis-server here. Install one (Debian, Ubuntu: apt install redis-server; macOS: brew install redis), or give\n" +
      "Ringmaster a Redis that you have: RINGMASTER_REDIS_URL=redis://host:6379 npx ringmaster serve",
  );
  process.exit(1);
}
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
try {
  const redisPort = await startRedis(program);
  startNodes(redisPort);
  await Promise.all(nodes.map(ready));
  if (stoppingSince === undefined) console.log(instructions(redisPort));
} catch (error) {
  if (stoppingSince === undefined) {
    console.error(error.message);
    process.exitCode = 1;
    await stop();
  }
}

async function startRedis(command) {
  const folder = join(process.cwd(), ".ringmaster", "three-nodes");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const port = await freePort();
  redis = start(command, [
    ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder],
    ...["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
    ...["--maxmemory-policy", "noeviction", "--daemonize", "no"],
  ]);
  const said = [];
  redis.stderr.on("data", (text) => said.push(String(text).trimEnd()));
  for await (const line of createInterface({ input: redis.stdout })) {
    said.push(line);
    if (!line.includes("Ready to accept connections")) continue;
    redis.stdout.resume();
    redis.once("exit", () => {
      if (stoppingSince === undefined)
        console.error("Redis has ended: the nodes wait for it. ^C, and start again.");
    });
    return port;
  }
  throw new Error(`${command} did not start:\n${said.join("\n")}`);
}

function startNodes(redisPort) {
  for (const node of nodes) {
    const child = start(
      process.execPath,
      [
        RINGMASTER,
        "serve",
        `--port=${node.port}`,
        `--ops-port=${node.opsPort}`,
        "--log-level=warn",
        ...QUICK_DRAIN,
      ],
      { RINGMASTER_REDIS_URL: `redis://127.0.0.1:${redisPort}` },
    );
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on("line", (line) => console.log(`${node.name}  ${line}`));
    child.once("exit", (code, signal) => {
      node.ended = signal ?? `code ${code}`;
      if (stoppingSince === undefined) console.error(`${node.name} has ended (${node.ended}).`);
    });
  }
}

/** In a process group of its own: ^C is for this process, which knows the order. */
function start(command, args, env = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.add(child);
  child.once("error", () => running.delete(child));
  child.once("exit", () => running.delete(child));
  return child;
}

async function ready({ name, opsPort, ...node }, index) {
  const endsAt = Date.now() + PATIENCE_MS;
  while (stoppingSince === undefined) {
    if (nodes[index].ended !== undefined)
      throw new Error(
        `${name} did not start. Is port ${node.port} or ${opsPort} taken? (--port, --ops-port)`,
      );
    try {
      if ((await fetch(`http://127.0.0.1:${opsPort}/readyz`)).ok) return;
    } catch {
      // It does not listen yet.
    }
    if (Date.now() > endsAt)
      throw new Error(`${name} is not ready after ${PATIENCE_MS / 1_000} s.`);
    await pause(POLL_MS);
  }
}

/**
 * The nodes first, for they say goodbye to Redis. Asked again, all at once: each with its process group, for a node is two
 * processes.
 */
async function stop() {
  if (stoppingSince !== undefined) {
    if (Date.now() - stoppingSince > ECHO_MS)
      for (const child of running) process.kill(-child.pid, "SIGKILL");
    return;
  }
  stoppingSince = Date.now();
  const servers = [...running].filter((child) => child !== redis);
  await Promise.all(servers.map(ended));
  if (redis !== undefined && running.has(redis)) await ended(redis);
}

function ended(child) {
  return new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill("SIGTERM");
  });
}

function instructions(redisPort) {
  const [first, second, third] = nodes;
  return [
    "Three nodes on one Redis are ready, and are one server:",
    "",
    ...nodes.map(
      ({ name, port, opsPort }) =>
        `  ${name}  http://127.0.0.1:${port}   operations http://127.0.0.1:${opsPort}/metrics, /readyz`,
    ),
    `  Redis   127.0.0.1:${redisPort}`,
    "",
    "In two more terminals, in this folder: subscribe on one, publish to another.",
    "",
    `  npx ringmaster subscribe demo --port ${first.port}`,
    `  npx ringmaster trigger demo hello '{"text":"world"}' --port ${second.port}`,
    "",
    "Any node knows of all; and what would be lost with this Redis:",
    "",
    `  npx ringmaster channels --port ${third.port}`,
    `  RINGMASTER_REDIS_URL=redis://127.0.0.1:${redisPort} npx ringmaster doctor`,
    "",
    "^C stops all of them.",
  ].join("\n");
}

function isInstalled(command) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .some((folder) => existsSync(join(folder, command)));
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
