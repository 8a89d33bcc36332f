import { access } from "node:fs/promises";
import { join } from "node:path";
import { Child, SERVER_CORE } from "../child.ts";
import { type Contestant, type Server, freePort, untilListening } from "../contestant.ts";
import { CREDENTIALS, publishRequest } from "../pusher-api.ts";

const HOME = join(import.meta.dirname, "..", "peers", "soketi");
const PROGRAM = join(HOME, "node_modules", "@soketi", "soketi", "bin", "server.js");

/** The peer. Its own folder, its own lock file, run as it comes from the registry. */
export const SOKETI: Contestant = {
  name: "soketi",
  start: () => startSoketi(),
  publishRequest,
};

/** With its Redis adapter where a port is given. */
export async function startSoketi(redisPort?: number): Promise<Server> {
  await install();
  const port = await freePort();
  const child = new Child(["node", PROGRAM, "start"], {
    core: SERVER_CORE,
    cwd: HOME,
    env: {
      ...inherited(),
      NODE_ENV: "production",
      SOKETI_HOST: "127.0.0.1",
      SOKETI_PORT: String(port),
      SOKETI_DEBUG: "0",
      SOKETI_METRICS_ENABLED: "0",
      SOKETI_DEFAULT_APP_ID: CREDENTIALS.appId,
      SOKETI_DEFAULT_APP_KEY: CREDENTIALS.key,
      SOKETI_DEFAULT_APP_SECRET: CREDENTIALS.secret,
      SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES: "1",
      SOKETI_DEFAULT_APP_MAX_CONNS: "-1",
      SOKETI_DEFAULT_APP_MAX_BACKEND_EVENTS_PER_SEC: "-1",
      SOKETI_DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC: "-1",
      SOKETI_DEFAULT_APP_MAX_READ_REQ_PER_SEC: "-1",
      ...(redisPort === undefined
        ? {}
        : {
            SOKETI_ADAPTER_DRIVER: "redis",
            SOKETI_DB_REDIS_HOST: "127.0.0.1",
            SOKETI_DB_REDIS_PORT: String(redisPort),
          }),
    },
  });
  return untilListening(child, port);
}

async function install(): Promise<void> {
  const major = await nodeMajor();
  if (major !== 20) {
    throw new Error(
      `needs Node 20, whose ABI its native library was built for; node here is ${major ?? "absent"}`,
    );
  }
  if (
    await access(PROGRAM).then(
      () => true,
      () => false,
    )
  )
    return;
  // Not `npm ci`: it refuses the lock file where a registry lacks optional packages of other platforms. This keeps to it too.
  const command = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
  const npm = Bun.spawn(command, { cwd: HOME, stdout: "ignore", stderr: "pipe" });
  const [complaints, code] = await Promise.all([new Response(npm.stderr).text(), npm.exited]);
  if (code !== 0) throw new Error(`npm install in bench/peers/soketi: ${complaints.trim()}`);
}

async function nodeMajor(): Promise<number | null> {
  if (Bun.which("node") === null) return null;
  const version = await new Response(Bun.spawn(["node", "--version"]).stdout).text();
  return Number(/^v(\d+)/.exec(version)?.[1] ?? Number.NaN);
}

/** Without the user's own SOKETI_* settings, which would change what is measured. */
function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith("SOKETI_"));
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? ""]));
}
