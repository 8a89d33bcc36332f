import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, SERVER_CORE, removeAtEnd } from "./child.ts";
import { freePort, untilListening } from "./contestant.ts";

const ENTRY = join(import.meta.dirname, "..", "src", "cli", "ringmaster.ts");

/** `ringmaster serve` from this tree, in a folder of its own. */
export interface RingmasterProcess {
  readonly child: Child;
  readonly port: number;
  readonly databaseFile: string;
}

/** Resolves once it listens: without the role `channels` on the port for operations alone. */
export async function startRingmaster(config: {
  readonly apps: readonly unknown[];
  readonly roles?: readonly string[];
  readonly sender?: unknown;
  readonly redis?: unknown;
}): Promise<RingmasterProcess> {
  const [port, opsPort] = [await freePort(), await freePort()];
  const home = await mkdtemp(join(tmpdir(), "ringmaster-bench-"));
  removeAtEnd(home);
  const configFile = join(home, "ringmaster.json");
  const databaseFile = join(home, "ringmaster.db");
  await Bun.write(configFile, JSON.stringify({ ...config, database: { file: databaseFile } }));
  const child = new Child([process.execPath, ENTRY, "serve", "--config", configFile], {
    core: SERVER_CORE,
    cwd: home,
    env: {
      ...inherited(),
      NODE_ENV: "production",
      RINGMASTER_HOST: "127.0.0.1",
      RINGMASTER_PORT: String(port),
      RINGMASTER_OPS_PORT: String(opsPort),
      RINGMASTER_LOG_LEVEL: "warn",
    },
  });
  const servesSockets = config.roles?.includes("channels") ?? true;
  await untilListening(child, servesSockets ? port : opsPort);
  return { child, port, databaseFile };
}

/** Without the user's own RINGMASTER_* settings, which would change what is measured. */
function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith("RINGMASTER_"));
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? ""]));
}
