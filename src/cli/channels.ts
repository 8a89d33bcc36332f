import type { Command } from "commander";
import {
  isCacheChannel,
  isPresenceChannel,
  isValidChannelName,
  userOfChannel,
} from "../protocol/channel-name.ts";
import type { QueryParameter } from "../protocol/query.ts";
import { ApiClient, ApiRefusal, type ApiAnswer } from "./client/api-client.ts";
import { attributeTable, attributeText, memberOf, membersOf } from "./client/channel-attributes.ts";
import { clientCommand } from "./client/client-command.ts";
import { tellingFailures, UsageMistake } from "./client/command-failure.ts";
import { printable } from "./client/printable.ts";
import { table } from "./client/table.ts";
import { TARGET_HELP, withTargetOptions, type TargetOptions } from "./client/target-options.ts";
import { resolveTarget } from "./client/target.ts";

interface ChannelsOptions extends TargetOptions {
  readonly prefix?: string;
  readonly info?: string;
  readonly users?: true;
  readonly json?: true;
}

/** `ringmaster channels`: who is where. */
export function channelsCommand(): Command {
  const command = clientCommand("channels")
    .description("List the occupied channels, or show one of them.")
    .argument("[name]", "one channel; without it all that have a subscriber are listed")
    .helpOption("-h, --help", "show this help")
    .option("--prefix <text>", "list only channels whose names begin so")
    .option(
      "--info <attributes>",
      "what to tell of them, comma-separated: user_count, subscription_count, cache",
    )
    .option("--users", "list the users on a presence channel")
    .option("--json", "print the server's answer, as JSON");
  return withTargetOptions(command)
    .addHelpText(
      "after",
      `
A channel exists while somebody is subscribed to it. user_count is the number of different users and exists on presence
channels only (to list it, add --prefix presence-, which also is enough to get it); subscription_count is the number of
connections, where the app has that enabled; cache is the last event of a cache channel. Without --info, one channel is
shown with all that it can have.

Examples:
  ringmaster channels
  ringmaster channels --prefix presence- --info user_count
  ringmaster channels presence-room
  ringmaster channels presence-room --users
  ringmaster channels --json | jq -r '.channels | keys[]'
${TARGET_HELP}`,
    )
    .action(tellingFailures(channels));
}

async function channels(name: string | undefined, options: ChannelsOptions): Promise<void> {
  refuseContradictions(name, options);
  const client = new ApiClient(await resolveTarget(options, process.env, process.cwd()));
  if (name === undefined) await list(client, options);
  else if (options.users) await users(client, name, options);
  else await show(client, name, options);
}

function refuseContradictions(
  name: string | undefined,
  { prefix, info, users: wantsUsers }: ChannelsOptions,
): void {
  if (name === undefined) {
    if (wantsUsers) throw new UsageMistake("--users needs the name of a presence channel");
    return;
  }
  if (prefix !== undefined) {
    throw new UsageMistake("--prefix is for the list; leave it out, or leave the name out");
  }
  if (wantsUsers && info !== undefined) {
    throw new UsageMistake("--users and --info are two questions; ask one");
  }
  // In a path it would not arrive as it is signed.
  if (!isValidChannelName(name, Number.POSITIVE_INFINITY) || userOfChannel(name) !== undefined) {
    throw new UsageMistake(
      `${printable(name)} is no name of a channel: letters, digits and _ - = @ , . ; are allowed`,
    );
  }
}

async function list(client: ApiClient, { prefix, info, json }: ChannelsOptions): Promise<void> {
  const wanted =
    info ?? (prefix !== undefined && isPresenceChannel(prefix) ? "user_count" : undefined);
  const { body } = await client.get("/channels", [
    ...(prefix === undefined ? [] : [["filter_by_prefix", prefix] as const]),
    ...(wanted === undefined ? [] : [["info", wanted] as const]),
  ]);
  if (json) return printJson(body);
  const occupied = memberOf(body, "channels");
  if (membersOf(occupied).length > 0) {
    process.stdout.write(attributeTable(occupied));
    return;
  }
  const such = prefix === undefined ? "" : ` whose name begins with ${printable(prefix)}`;
  process.stdout.write(`No channel${such} has a subscriber (${client.description}).\n`);
}

async function show(
  client: ApiClient,
  name: string,
  { info, json }: ChannelsOptions,
): Promise<void> {
  const { body } =
    info === undefined
      ? await everything(client, name)
      : await describe(client, name, info.split(","));
  if (json) return printJson(body);
  const rows = membersOf(body).map(([attribute, value]) => [
    printable(attribute),
    valueText(attribute, value),
  ]);
  process.stdout.write(table([["channel", name], ...rows]));
}

/** All attributes that such a channel can have, as far as the app has them enabled. */
async function everything(client: ApiClient, name: string): Promise<ApiAnswer> {
  const certain = [
    ...(isPresenceChannel(name) ? ["user_count"] : []),
    ...(isCacheChannel(name) ? ["cache"] : []),
  ];
  try {
    return await describe(client, name, ["subscription_count", ...certain]);
  } catch (error) {
    // The count is a setting of the app: where it is off, asking for it is refused.
    if (error instanceof ApiRefusal && error.status === 400) {
      return await describe(client, name, certain);
    }
    throw error;
  }
}

function describe(
  client: ApiClient,
  name: string,
  attributes: readonly string[],
): Promise<ApiAnswer> {
  const info: QueryParameter[] = attributes.length === 0 ? [] : [["info", attributes.join(",")]];
  return client.get(`/channels/${name}`, info);
}

function valueText(attribute: string, value: unknown): string {
  if (attribute !== "cache") return attributeText(value);
  if (value === null) return "empty";
  const ttlSeconds = memberOf(value, "ttl");
  const kept = typeof ttlSeconds === "number" ? `  (kept for ${ttlSeconds} s more)` : "";
  return `${attributeText(memberOf(value, "data"))}${kept}`;
}

async function users(client: ApiClient, name: string, { json }: ChannelsOptions): Promise<void> {
  const { body } = await client.get(`/channels/${name}/users`, []);
  if (json) return printJson(body);
  const ids = membersOf(memberOf(body, "users")).map((user) =>
    attributeText(memberOf(user[1], "id")),
  );
  process.stdout.write(
    ids.length === 0
      ? `No user is on ${name} (${client.description}).\n`
      : table([["USER"], ...ids.map((id) => [id])]),
  );
}

function printJson(body: unknown): void {
  process.stdout.write(`${JSON.stringify(body ?? {})}\n`);
}
