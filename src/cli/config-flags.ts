import { type Command, Option } from "commander";
import { settingsFields } from "../ops/config/settings.ts";
import type { ConfigInputs } from "../ops/config/load.ts";
import type { Field } from "../ops/config/field.ts";

/** Gives a command `--config` and a flag for every setting of the process. */
export function addConfigFlags(command: Command): Command {
  command.option(
    "-c, --config <file>",
    "the configuration file: .yaml, .yml or .json (RINGMASTER_CONFIG)",
  );
  for (const field of settingsFields) {
    const option = optionFor(field);
    if (option !== undefined) command.addOption(option);
  }
  return command;
}

/** What the flags of a command say, as the loader takes it. */
export function configInputsFrom(command: Command): Pick<ConfigInputs, "file" | "flags"> {
  const given = command.opts<Readonly<Record<string, string | undefined>>>();
  const flags = settingsFields.flatMap((field) => {
    const text = given[optionFor(field)?.attributeName() ?? ""];
    return text === undefined ? [] : [[field.path, text] as const];
  });
  return { file: given["config"], flags: Object.fromEntries(flags) };
}

function optionFor(field: Field): Option | undefined {
  const { flagName, path, notes, nullable, defaultValue } = field;
  if (flagName === null) return undefined;
  const value = placeholderOf(field);
  const section = path.includes(".") ? path.split(".")[0] : "process";
  return new Option(
    `${flagName} <${value}${nullable ? "|null" : ""}>`,
    `${notes.about.replaceAll("`", "")} (default: ${JSON.stringify(defaultValue)})`,
  ).helpGroup(`Settings (${section}):`);
}

function placeholderOf({ kind, choices, notes }: Field): string {
  if (kind === "choice") return choices.join("|");
  if (kind === "list") return choices.length === 0 ? "text,…" : choices.join(",");
  if (kind === "number") return notes.unit ?? "number";
  return notes.path === true ? "path" : "text";
}
