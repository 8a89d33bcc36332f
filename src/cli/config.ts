import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command } from "commander";
import { NOT_YET_GENERATED } from "../ops/config/app-entry.ts";
import { ConfigDocument } from "../ops/config/document.ts";
import { effectiveJson, effectiveYaml } from "../ops/config/effective.ts";
import type { Environment } from "../ops/config/environment.ts";
import { readFailure } from "../ops/config/file-reads.ts";
import { configJsonSchema } from "../ops/config/json-schema.ts";
import { loadConfig, type LoadedConfig } from "../ops/config/load.ts";
import { ConfigError } from "../ops/config/problem.ts";
import { configReference } from "../ops/config/reference.ts";
import { translateSoketi } from "../ops/config/soketi/translation.ts";
import { addConfigFlags, configInputsFrom } from "./config-flags.ts";

/** What a command sees of the process around it. */
export interface ConfigSurroundings {
  readonly env: Environment;
  /** What relative paths count from. */
  readonly folder: string;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Sets the code that the process will exit with. */
  exitWith(code: number): void;
}

/** `ringmaster config`: everything about configurations short of starting with one. */
export function configCommand(
  surroundings: ConfigSurroundings = {
    env: process.env,
    folder: process.cwd(),
    stdout: process.stdout,
    stderr: process.stderr,
    exitWith(code) {
      process.exitCode = code;
    },
  },
): Command {
  return new Command("config")
    .description("check, show, document and convert configurations")
    .addCommand(checkCommand(surroundings))
    .addCommand(printCommand(surroundings))
    .addCommand(docsCommand(surroundings))
    .addCommand(schemaCommand(surroundings))
    .addCommand(fromSoketiCommand(surroundings));
}

function checkCommand(around: ConfigSurroundings): Command {
  return addConfigFlags(new Command("check"))
    .description("tell whether a configuration is right, without starting anything")
    .addHelpText(
      "after",
      "\nExits with 0 when it is right. Otherwise with 1 and a line for each field: what is wrong, what would be right." +
        "\n\n  $ ringmaster config check --config ringmaster.yaml",
    )
    .action(async (_options: unknown, command: Command) => {
      const loaded = await loadOrTell(command, around);
      if (loaded !== undefined) around.stdout.write(`${summaryOf(loaded)}\n`);
    });
}

function printCommand(around: ConfigSurroundings): Command {
  return addConfigFlags(new Command("print"))
    .description("show every value in force and where it came from, without the secrets")
    .option("--json", "as JSON: { values, sources }")
    .addHelpText(
      "after",
      "\n  $ RINGMASTER_PORT=7000 ringmaster config print --config ringmaster.yaml",
    )
    .action(async ({ json }: { readonly json?: true }, command: Command) => {
      const loaded = await loadOrTell(command, around);
      if (loaded === undefined) return;
      around.stdout.write(json === true ? effectiveJson(loaded) : effectiveYaml(loaded));
    });
}

function docsCommand({ stdout }: ConfigSurroundings): Command {
  return new Command("docs")
    .description("print the reference of all settings as Markdown")
    .action(() => void stdout.write(configReference()));
}

function schemaCommand({ stdout }: ConfigSurroundings): Command {
  return new Command("schema")
    .description("print the JSON Schema of the file, for editors")
    .addHelpText("after", "\n  $ ringmaster config schema > ringmaster.schema.json")
    .action(() => void stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`));
}

function fromSoketiCommand(around: ConfigSurroundings): Command {
  return new Command("from-soketi")
    .description("turn soketi's configuration into ours")
    .argument("[file]", "soketi's configuration file, in JSON")
    .addHelpText(
      "after",
      "\nReads the file and the SOKETI_ variables, as soketi does, and prints our YAML to stdout, with the secrets in it:" +
        "\nno other command prints them. What has no counterpart is named, with the reason, on stderr and in the YAML." +
        "\n\n  $ ringmaster config from-soketi soketi.json > ringmaster.yaml",
    )
    .action(async (file: string | undefined) => {
      const source = await readSoketiFile(file, around);
      if (source === undefined) return;
      const { yaml, notes } = translateSoketi(source.tree, around.env);
      around.stdout.write(yaml);
      for (const { setting, why } of notes) around.stderr.write(`${setting}: ${why}\n`);
      around.stderr.write("The YAML holds the secrets in the clear: keep it as you keep them.\n");
    });
}

async function readSoketiFile(
  file: string | undefined,
  { folder, stderr, exitWith }: ConfigSurroundings,
): Promise<ConfigDocument | undefined> {
  if (file === undefined) return ConfigDocument.empty();
  let text: string;
  try {
    text = await readFile(resolve(folder, file), "utf8");
  } catch (error) {
    stderr.write(`${file}: cannot be read (${readFailure(error)}); give soketi's JSON file\n`);
    exitWith(1);
    return undefined;
  }
  try {
    return ConfigDocument.parse(file, text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    stderr.write(`${error.message}\n`);
    exitWith(1);
    return undefined;
  }
}

/** Undefined when something is wrong, which has been told then. */
async function loadOrTell(
  command: Command,
  { env, folder, stderr, exitWith }: ConfigSurroundings,
): Promise<LoadedConfig | undefined> {
  try {
    return await loadConfig({ ...configInputsFrom(command), env, folder, createDefaultApp: false });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    stderr.write(`${error.message}\n`);
    exitWith(1);
    return undefined;
  }
}

function summaryOf({ file, apps, defaultApp }: LoadedConfig): string {
  const name = file ?? "The configuration";
  if (defaultApp !== null) {
    const isThere = defaultApp.app.keys[0]?.secret !== NOT_YET_GENERATED;
    const verb = isThere ? "is" : "will be";
    return `${name} is right: one default app, whose secret ${verb} in ${defaultApp.secretLocation}.`;
  }
  const keys = apps.flatMap((app) => app.keys).filter(({ active }) => active);
  const disabled = apps.filter(({ enabled }) => !enabled).length;
  const webhooks = apps.flatMap((app) => app.webhooks);
  const counts = [
    `${apps.length} ${apps.length === 1 ? "app" : "apps"}`,
    `${keys.length} active ${keys.length === 1 ? "key" : "keys"}`,
    ...(disabled > 0 ? [`${disabled} disabled`] : []),
    ...(webhooks.length > 0
      ? [`${webhooks.length} ${webhooks.length === 1 ? "webhook" : "webhooks"}`]
      : []),
  ];
  return `${name} is right: ${counts.join(", ")}.`;
}
