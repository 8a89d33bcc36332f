import type { Command } from "commander";
import { userChannel } from "../protocol/channel-name.ts";
import { ApiClient } from "./client/api-client.ts";
import { attributeTable, memberOf, membersOf } from "./client/channel-attributes.ts";
import { clientCommand } from "./client/client-command.ts";
import { tellingFailures, UsageMistake } from "./client/command-failure.ts";
import { printable } from "./client/printable.ts";
import { TARGET_HELP, withTargetOptions, type TargetOptions } from "./client/target-options.ts";
import { resolveTarget } from "./client/target.ts";

interface TriggerOptions extends TargetOptions {
  readonly user?: string;
  readonly socketId?: string;
  readonly info?: string;
  readonly json?: true;
}

/** `ringmaster trigger`: publishes one event. */
export function triggerCommand(): Command {
  const command = clientCommand("trigger")
    .description("Publish an event: every subscriber of the channels gets it.")
    .usage(
      "[options] <channel[,channel…]> <event> [data]\n       ringmaster trigger [options] --user <id> <event> [data]",
    )
    .argument(
      "[words...]",
      "the channels, the event's name and its data; - reads the data from stdin",
    )
    .helpOption("-h, --help", "show this help")
    .option(
      "--user <id>",
      "send to this signed-in user, on all of its connections, in place of channels",
    )
    .option("--socket-id <id>", "leave this connection out, usually that of who caused the event")
    .option(
      "--info <attributes>",
      "ask for user_count and subscription_count of the channels, comma-separated",
    )
    .option("--json", "print the server's answer, as JSON");
  return withTargetOptions(command)
    .addHelpText(
      "after",
      `
The event goes as one signed request to the server's HTTP API, which hands it to the subscribers of this moment and
keeps nothing (only a cache channel remembers its last event). The data is sent exactly as given: clients get JSON
decoded and any other text as text; without data it is {}.

Examples:
  ringmaster trigger demo hello '{"text":"world"}'
  ringmaster trigger orders,private-audit created '{"id":7}' --info subscription_count
  ringmaster trigger --user alice notification 'You have mail'
  jq -c . order.json | ringmaster trigger orders created -
  RINGMASTER_APP_SECRET=… ringmaster trigger demo hello --cluster eu --app-id 123 --key abc
${TARGET_HELP}`,
    )
    .action(tellingFailures(trigger));
}

async function trigger(words: readonly string[], options: TriggerOptions): Promise<void> {
  const { channels, event, data } = publication(words, options.user);
  const client = new ApiClient(await resolveTarget(options, process.env, process.cwd()));
  const text = data === "-" ? await standardInput() : data;
  for (const channel of channels) refuseUnencrypted(channel, text);

  const { status, body } = await client.post("/events", {
    name: event,
    channels,
    data: text,
    ...(options.socketId === undefined ? {} : { socket_id: options.socketId }),
    ...(options.info === undefined ? {} : { info: options.info }),
  });
  if (options.json) {
    process.stdout.write(`${JSON.stringify(body ?? {})}\n`);
    return;
  }
  const to =
    options.user === undefined ? printable(channels.join(", ")) : `user ${printable(options.user)}`;
  process.stdout.write(
    `Published ${printable(event)} to ${to} (${client.description}, status ${status}).\n`,
  );
  const told = memberOf(body, "channels");
  if (membersOf(told).length > 0) process.stdout.write(`\n${attributeTable(told)}`);
}

interface Publication {
  readonly channels: readonly string[];
  readonly event: string;
  readonly data: string;
}

function publication(words: readonly string[], user: string | undefined): Publication {
  const [first = "", ...rest] = words;
  const [event, data = "{}", ...surplus] = user === undefined ? rest : words;
  const form =
    user === undefined ? "<channel[,channel…]> <event> [data]" : "--user <id> <event> [data]";
  if (event === undefined || surplus.length > 0) {
    throw new UsageMistake(
      `${surplus.length > 0 ? "there are too many words (quote data that has spaces)" : "the event is missing"}: ringmaster trigger ${form}`,
    );
  }
  const channels =
    user === undefined ? first.split(",").filter((name) => name !== "") : [userChannel(user)];
  if (channels.length === 0) {
    throw new UsageMistake(`the channel is missing: ringmaster trigger ${form}`);
  }
  return { channels, event, data };
}

/** Plain data on an encrypted channel would be an error at every subscriber. */
function refuseUnencrypted(channel: string, data: string): void {
  if (!channel.startsWith("private-encrypted-")) return;
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    parsed = undefined;
  }
  if (
    typeof memberOf(parsed, "nonce") === "string" &&
    typeof memberOf(parsed, "ciphertext") === "string"
  ) {
    return;
  }
  throw new UsageMistake(
    `events on ${printable(channel)} are encrypted with a key that only your application has; publish from there, or give {"nonce":…,"ciphertext":…} as data`,
  );
}

/** Without the newline that `echo` and most programs end with. */
async function standardInput(): Promise<string> {
  return (await Bun.stdin.text()).replace(/\r?\n$/, "");
}
