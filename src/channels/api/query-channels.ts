import {
  USER_COUNT_NEEDS_PREFIX,
  USERS_NEED_PRESENCE,
  badRequest,
} from "../../protocol/api-errors.ts";
import { isPresenceChannel, isValidChannelName } from "../../protocol/channel-name.ts";
import { echo } from "../../protocol/client-message.ts";
import { queryValue } from "../../protocol/query.ts";
import {
  channelInfo,
  parseInfo,
  refuseCountIfOff,
  refuseInapplicable,
  refuseUnknown,
  type ChannelInfo,
} from "./info.ts";
import { ApiFault, type ApiRequest } from "./request.ts";

/** GET /channels: the occupied channels. */
export async function listChannels({ node, tenant, query }: ApiRequest): Promise<string> {
  const prefix = queryValue(query, "filter_by_prefix") ?? "";
  const info = parseInfo(queryValue(query, "info"));
  refuseUnknown(info, ["user_count", "subscription_count"]);
  if (info.has("user_count") && !isPresenceChannel(prefix))
    throw new ApiFault(USER_COUNT_NEEDS_PREFIX);
  if (info.has("subscription_count")) refuseCountIfOff(tenant);
  // An object without a prototype: a channel may be called __proto__.
  const channels: Record<string, ChannelInfo> = Object.create(null) as Record<string, ChannelInfo>;
  for (const { channel, subscribers, users } of await node.roster.channels(tenant.id, prefix)) {
    const told: ChannelInfo = {};
    if (info.has("user_count")) told.user_count = users;
    if (info.has("subscription_count")) told.subscription_count = subscribers;
    channels[channel] = told;
  }
  return JSON.stringify({ channels });
}

/** GET /channels/<channel>. One that nobody is on is no error. */
export async function showChannel(
  { node, tenant, query }: ApiRequest,
  channel: string,
): Promise<string> {
  checkName(channel, tenant.app.limits.channelNameLength);
  const info = parseInfo(queryValue(query, "info"));
  refuseUnknown(info, ["user_count", "subscription_count", "cache"]);
  refuseInapplicable(tenant, channel, info);
  const state = await node.roster.channel(tenant.id, channel);
  return JSON.stringify({
    occupied: state.subscribers > 0,
    ...(await channelInfo(node, tenant, channel, info, state)),
  });
}

/** GET /channels/<channel>/users: who is on a presence channel. */
export async function listUsers({ node, tenant }: ApiRequest, channel: string): Promise<string> {
  if (!isPresenceChannel(channel)) throw new ApiFault(USERS_NEED_PRESENCE);
  const { members } = await node.roster.channel(tenant.id, channel);
  return JSON.stringify({ users: members.map((member) => ({ id: member.userId })) });
}

/** The deprecated GET /channels/<channel>/stats. */
export async function channelStats({ node, tenant }: ApiRequest, channel: string): Promise<string> {
  checkName(channel, tenant.app.limits.channelNameLength);
  const { subscribers, members } = await node.roster.channel(tenant.id, channel);
  return JSON.stringify({
    occupied: subscribers > 0,
    ...(isPresenceChannel(channel) ? { user_count: members.length } : {}),
    connection_count: subscribers,
  });
}

function checkName(channel: string, maxLength: number): void {
  if (!isValidChannelName(channel, maxLength))
    throw new ApiFault(badRequest(`Invalid channel name: ${echo(channel)}`));
}
