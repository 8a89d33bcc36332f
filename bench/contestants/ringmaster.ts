import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, SERVER_CORE, removeAtEnd } from "../child.ts";
import { type Contestant, freePort, untilListening } from "../contestant.ts";
import { CREDENTIALS, publishRequest } from "../pusher-api.ts";

const ENTRY = join(import.meta.dirname, "..", "..", "src", "cli", "ringmaster.ts");

export const RINGMASTER: Contestant = {
  name: "ringmaster",
  async start() {
    const port = await freePort();
    const opsPort = await freePort();
    // A working directory of its own: no configuration file is found there by chance.
    const cwd = await mkdtemp(join(tmpdir(), "ringmaster-bench-"));
    removeAtEnd(cwd);
    const child = new Child([process.execPath, ENTRY, "serve"], {
      core: SERVER_CORE,
      cwd,
      env: {
        ...inherited(),
        NODE_ENV: "production",
        RINGMASTER_PORT: String(port),
        RINGMASTER_OPS_PORT: String(opsPort),
        RINGMASTER_APP_ID: CREDENTIALS.appId,
        RINGMASTER_APP_KEY: CREDENTIALS.key,
        RINGMASTER_APP_SECRET: CREDENTIALS.secret,
        RINGMASTER_LOG_LEVEL: "warn",
      },
    });
    return untilListening(child, port);
  },
  publishRequest,
};

/** Without the user's own RINGMASTER_* settings, which would change what is measured. */
function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith("RINGMASTER_"));
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? ""]));
}
