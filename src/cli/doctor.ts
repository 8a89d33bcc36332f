import { Command } from "commander";
import { systemClock } from "../channels/ports/clock.ts";
import { loadConfig, type LoadedConfig } from "../ops/config/load.ts";
import { ConfigError } from "../ops/config/problem.ts";
import type { RedisConfig } from "../ops/config/redis-config.ts";
import { inspectRedis } from "../stores/redis/client/inspection.ts";
import { addressText } from "../stores/redis/settings.ts";
import { inspectSqlite } from "../stores/sqlite/inspection.ts";
import { addConfigFlags, configInputsFrom } from "./config-flags.ts";
import { appFindings } from "./doctor/app-findings.ts";
import { databaseFindings } from "./doctor/database-findings.ts";
import type { Finding } from "./doctor/finding.ts";
import { redisFindings } from "./doctor/redis-findings.ts";
import { doctorReport } from "./doctor/report.ts";

/** `ringmaster doctor`: looks at the store that a configuration names, and says what its settings would lose. */
export function doctorCommand(): Command {
  const command = new Command("doctor")
    .description("look at the configured store: is it reachable, and what would its settings lose?")
    .option("--json", "as JSON: { store, healthy, findings }");
  return addConfigFlags(command)
    .addHelpText(
      "after",
      `
Nothing is changed, neither in the store nor in the data folder. Exits with 1 when there is a problem; a warning is none.

Examples:
  ringmaster doctor --config ringmaster.yaml
  RINGMASTER_REDIS_URL=rediss://user:password@redis.example:6380 ringmaster doctor
  ringmaster doctor --json | jq -r '.findings[] | select(.verdict != "ok") | .text'`,
    )
    .action(async ({ json }: { readonly json?: true }) => {
      const config = await loadOrTell(command);
      if (config === undefined) return;
      const store = nameOf(config);
      const findings = await examine(config);
      const healthy = findings.every(({ verdict }) => verdict !== "problem");
      process.stdout.write(
        json === true
          ? `${JSON.stringify({ store, healthy, findings })}\n`
          : doctorReport(store, findings),
      );
      if (!healthy) process.exitCode = 1;
    });
}

async function examine(config: LoadedConfig): Promise<Finding[]> {
  const { redis, apps, defaultApp } = config;
  const found = redis === null ? await ofDatabase(config) : await ofRedis(redis, config);
  return [...found, ...appFindings(apps, defaultApp, redis !== null)];
}

async function ofRedis(redis: RedisConfig, { apps }: LoadedConfig): Promise<Finding[]> {
  const { settings, keyPrefix, partitions } = redis;
  const facts = await inspectRedis({ settings, keyPrefix, partitions, clock: systemClock });
  return redisFindings(facts, {
    mode: settings.place.mode,
    keyPrefix,
    partitions,
    owesWebhooks: owesWebhooks(apps),
  });
}

async function ofDatabase({ settings, apps }: LoadedConfig): Promise<Finding[]> {
  const { file, durability } = settings.database;
  return databaseFindings(await inspectSqlite(file), {
    durability,
    owesWebhooks: owesWebhooks(apps),
  });
}

function owesWebhooks(apps: LoadedConfig["apps"]): boolean {
  return apps.some(({ webhooks }) => webhooks.length > 0);
}

/** Never with a credential. */
function nameOf({ redis, settings }: LoadedConfig): string {
  if (redis === null) return `Embedded store: ${settings.database.file}`;
  const { place, tls } = redis.settings;
  const how = tls === null ? "" : ", TLS";
  const what = `prefix ${redis.keyPrefix}${how}`;
  switch (place.mode) {
    case "standalone":
      return `Redis at ${addressText(place.address)}, database ${place.database}, ${what}`;
    case "cluster":
      return `Redis Cluster with ${place.nodes.map(addressText).join(", ")}, ${what}`;
    case "sentinel":
      return `Redis ${place.primaryName} of the Sentinels ${place.sentinels.map(addressText).join(", ")}, ${what}`;
  }
}

/** Undefined when the configuration is wrong, which has been told then. */
async function loadOrTell(command: Command): Promise<LoadedConfig | undefined> {
  try {
    return await loadConfig({
      ...configInputsFrom(command),
      env: process.env,
      createDefaultApp: false,
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}
