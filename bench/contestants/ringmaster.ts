import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, SERVER_CORE, removeAtEnd } from "../child.ts";
import { type Contestant, type ContestantName, freePort, untilListening } from "../contestant.ts";
import { CREDENTIALS, publishRequest } from "../pusher-api.ts";

const ENTRY = join(import.meta.dirname, "..", "..", "src", "cli", "ringmaster.ts");

/** With the features that soketi has as well. */
export const RINGMASTER = ringmaster("ringmaster", { subscriptionCount: false });

/** Tells the subscribers of a channel how many they are whenever one comes or goes, which soketi does not. */
export const COUNTING_RINGMASTER = ringmaster("ringmaster, counting", { subscriptionCount: true });

function ringmaster(name: ContestantName, features: { subscriptionCount: boolean }): Contestant {
  return {
    name,
    async start() {
      const [port, opsPort] = [await freePort(), await freePort()];
      const home = await mkdtemp(join(tmpdir(), "ringmaster-bench-"));
      removeAtEnd(home);
      const configFile = join(home, "ringmaster.json");
      await Bun.write(configFile, JSON.stringify({ apps: [benchApp(features)] }));
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
      return untilListening(child, port);
    },
    publishRequest,
  };
}

function benchApp(features: { subscriptionCount: boolean }): unknown {
  const { appId, key, secret } = CREDENTIALS;
  return { id: appId, keys: [{ key, secret }], clientEvents: true, ...features };
}

/** Without the user's own RINGMASTER_* settings, which would change what is measured. */
function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith("RINGMASTER_"));
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? ""]));
}
