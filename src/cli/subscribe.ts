import { randomBytes } from "node:crypto";
import { InvalidArgumentError, Option, type Command } from "commander";
import { userOfChannel } from "../protocol/channel-name.ts";
import { clientCommand, wholeNumber } from "./client/client-command.ts";
import { CommandFailure, tellingFailures, UsageMistake } from "./client/command-failure.ts";
import { eventJson, eventText, type ReceivedEvent } from "./client/event-line.ts";
import { Subscriber } from "./client/subscriber.ts";
import { TARGET_HELP, withTargetOptions, type TargetOptions } from "./client/target-options.ts";
import { resolveTarget } from "./client/target.ts";

const MAX_TIMEOUT_MS = 2_147_483_647;

interface SubscribeOptions extends TargetOptions {
  readonly userId?: string;
  readonly userInfo?: { readonly parsed: unknown };
  readonly signIn?: true;
  readonly count?: number;
  readonly timeout?: number;
  readonly json?: true;
}

/** `ringmaster subscribe`: prints events as they come. */
export function subscribeCommand(): Command {
  const command = clientCommand("subscribe")
    .description(
      "Print the events of channels as they come, one a line: time, channel, event, data.",
    )
    .argument("[channels...]", "public, private and presence channels")
    .helpOption("-h, --help", "show this help")
    .option("--user-id <id>", "who to be on presence channels (default: a random id)")
    .addOption(
      new Option(
        "--user-info <json>",
        "what the other members of presence channels see of this user",
      ).argParser(json),
    )
    .option("--sign-in", "sign in as the user of --user-id, and print what is sent to that user")
    .addOption(
      new Option(
        "--count <n>",
        "end after that many events; the protocol's own (pusher:…) do not count",
      ).argParser(wholeNumber(Number.MAX_SAFE_INTEGER)),
    )
    .addOption(
      new Option(
        "--timeout <ms>",
        "with --count: end with exit code 1 if they have not come by then",
      ).argParser(wholeNumber(MAX_TIMEOUT_MS)),
    )
    .option(
      "--json",
      "print one JSON object a line: time, channel, event, data (decoded), user_id",
    );
  return withTargetOptions(command)
    .addHelpText(
      "after",
      `
Connects as a browser would, and signs for private and presence channels itself, with the app's secret; public ones
need only the key. A lost connection comes back as that of pusher-js does, with a note on stderr; what was published
meanwhile is not seen. On encrypted channels (private-encrypted-) the data is shown as it comes, encrypted. Ctrl-C
ends it.

Examples:
  ringmaster subscribe demo
  ringmaster subscribe private-orders presence-room --user-id alice --user-info '{"name":"Alice"}'
  ringmaster subscribe --sign-in --user-id alice
  ringmaster subscribe orders --json | jq -c 'select(.event == "created") | .data'
  ringmaster subscribe orders --count 1 --timeout 5000 --json
  ringmaster subscribe demo --cluster eu --key abc
${TARGET_HELP}`,
    )
    .action(tellingFailures(subscribe));
}

async function subscribe(channels: readonly string[], options: SubscribeOptions): Promise<void> {
  refuseContradictions(channels, options);
  const target = await resolveTarget(options, process.env, process.cwd());
  const line = options.json ? eventJson : eventText;
  let counted = 0;
  let failure: CommandFailure | undefined;

  const subscriber = new Subscriber(
    target,
    {
      channels: [...new Set(channels)],
      userId: options.userId ?? `cli-${randomBytes(4).toString("hex")}`,
      userInfo: options.userInfo?.parsed,
      signIn: options.signIn ?? false,
    },
    {
      received(event) {
        if (counted === options.count) return;
        process.stdout.write(`${line(event)}\n`);
        if (isPublished(event) && ++counted === options.count) subscriber.close();
      },
      note: (text) => process.stderr.write(`${text}\n`),
    },
  );
  const { count, timeout: timeoutMs } = options;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          failure = new CommandFailure(`${counted} of ${count} events came within ${timeoutMs} ms`);
          subscriber.close();
        }, timeoutMs);
  const end = (): void => subscriber.close();
  process.once("SIGINT", end).once("SIGTERM", end);
  process.stdout.on("error", endWithReader);
  try {
    await subscriber.run();
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", end).off("SIGTERM", end);
  }
  if (failure !== undefined) throw failure;

  /** Whoever read our output, `head` perhaps, has enough. */
  function endWithReader(error: NodeJS.ErrnoException): void {
    if (error.code !== "EPIPE") throw error;
    subscriber.close();
  }
}

function refuseContradictions(channels: readonly string[], options: SubscribeOptions): void {
  if (channels.length === 0 && !options.signIn) {
    throw new UsageMistake("name a channel: ringmaster subscribe <channel…>");
  }
  if (options.signIn && options.userId === undefined) {
    throw new UsageMistake("--sign-in needs --user-id");
  }
  if (options.timeout !== undefined && options.count === undefined) {
    throw new UsageMistake("--timeout needs --count: how many events to wait for");
  }
  const user = channels.map(userOfChannel).find((userId) => userId !== undefined);
  if (user !== undefined) {
    throw new UsageMistake(
      "the channel of a user comes with the sign-in: use --sign-in --user-id <id>",
    );
  }
}

/** By somebody, where the names that begin with `pusher:` are the protocol's own. */
function isPublished({ event }: ReceivedEvent): boolean {
  return !event.startsWith("pusher:");
}

function json(text: string): { readonly parsed: unknown } {
  try {
    return { parsed: JSON.parse(text) as unknown };
  } catch {
    throw new InvalidArgumentError("It must be JSON.");
  }
}
