import { randomBytes, randomInt } from "node:crypto";
import { InvalidArgumentError, Option, type Command } from "commander";
import { stringify } from "yaml";
import { appEntrySchema } from "../ops/config/app-entry.ts";
import { clientCommand } from "./client/client-command.ts";

const KEY_BYTES = 10;
const SECRET_BYTES = 20;
const FIRST_RANDOM_ID = 100_000;
const LAST_RANDOM_ID = 9_999_999;

interface GenerateOptions {
  readonly id?: string;
  readonly name?: string;
  readonly json?: true;
}

/** `ringmaster apps`: helps with the list of apps in the configuration. */
export function appsCommand(): Command {
  return clientCommand("apps")
    .description("Make apps for the configuration file.")
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .addCommand(generateCommand());
}

function generateCommand(): Command {
  return clientCommand("generate")
    .description(
      "Print a new app with a random key and secret, to be pasted under `apps:` in the configuration file.",
    )
    .helpOption("-h, --help", "show this help")
    .addOption(
      new Option("--id <id>", "id of the app (default: random digits)").argParser((text) => {
        if (appEntrySchema.shape.id.safeParse(text).success) return text;
        throw new InvalidArgumentError(
          "It must be 1 to 64 letters, digits, - and _; best a number.",
        );
      }),
    )
    .addOption(
      new Option("--name <name>", "name of the app, for people").argParser((text) => {
        if (appEntrySchema.shape.name.safeParse(text).success) return text;
        throw new InvalidArgumentError("It must be a text of up to 200 characters.");
      }),
    )
    .option("--json", "print JSON in place of YAML")
    .addHelpText(
      "after",
      `
Nothing is written and no server is asked: the app exists as soon as it is in the file of a server, which notices the
change without a restart. The output holds the secret; keep it where secrets are kept.

Examples:
  ringmaster apps generate --name shop
  ringmaster apps generate --id 7 --json
  (echo apps:; ringmaster apps generate) > ringmaster.yaml && ringmaster serve --config ringmaster.yaml`,
    )
    .action((options: GenerateOptions) => {
      const entry = {
        id: options.id ?? String(randomInt(FIRST_RANDOM_ID, LAST_RANDOM_ID + 1)),
        ...(options.name === undefined ? {} : { name: options.name }),
        keys: [
          {
            key: randomBytes(KEY_BYTES).toString("hex"),
            secret: randomBytes(SECRET_BYTES).toString("hex"),
          },
        ],
      };
      process.stdout.write(options.json ? `${JSON.stringify(entry, null, 2)}\n` : listItem(entry));
    });
}

/** Indented, so that it can follow `apps:` as well as another app. */
function listItem(entry: object): string {
  return stringify([entry]).replaceAll(/^(?=.)/gm, "  ");
}
