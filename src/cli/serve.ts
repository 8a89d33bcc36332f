import { Command } from "commander";
import { loadConfig, type ConfigInputs, type LoadedConfig } from "../ops/config/load.ts";
import { ConfigError } from "../ops/config/problem.ts";
import { createLog } from "../ops/log.ts";
import { addConfigFlags, configInputsFrom } from "./config-flags.ts";
import { ServerProcess } from "./serve/server-process.ts";

export function serveCommand(): Command {
  const command = new Command("serve").description(
    "Run the server. With no configuration it serves one app with generated credentials.",
  );
  return addConfigFlags(command)
    .addHelpText(
      "after",
      `
Every option is also a variable and a field of the file: ringmaster config docs lists them with their defaults.

Examples:
  ringmaster serve
  ringmaster serve --config ringmaster.yaml --log-format pretty
  RINGMASTER_APP_ID=1 RINGMASTER_APP_KEY=key RINGMASTER_APP_SECRET=secret ringmaster serve
  RINGMASTER_REDIS_URL=redis://localhost:6379 ringmaster serve

SIGTERM drains and exits with 0; a second one forces. SIGHUP reads the configuration again.`,
    )
    .action(async () => serve(configInputsFrom(command)));
}

async function serve(inputs: Pick<ConfigInputs, "file" | "flags">): Promise<void> {
  const load = (): Promise<LoadedConfig> => loadConfig({ ...inputs, env: process.env });
  let config: LoadedConfig;
  try {
    config = await load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`The configuration is wrong:\n\n${indent(error.message)}\n`);
    process.exitCode = 1;
    return;
  }
  await new ServerProcess(config, load, createLog(config.settings.log)).start();
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
