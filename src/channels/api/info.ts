import { badRequest, USER_COUNT_NEEDS_PRESENCE } from "../../protocol/api-errors.ts";
import { isCacheChannel, isPresenceChannel } from "../../protocol/channel-name.ts";
import type { Node } from "../node.ts";
import type { ChannelState } from "../ports/roster.ts";
import type { Tenant } from "../tenant.ts";
import { ApiFault } from "./request.ts";

const ATTRIBUTES = ["user_count", "subscription_count", "cache"] as const;
export type InfoAttribute = (typeof ATTRIBUTES)[number];

const NOTHING: ReadonlySet<string> = new Set();

/** What was asked to be told of a channel: comma-separated in `info`. */
export function parseInfo(info: string | undefined): ReadonlySet<string> {
  if (info === undefined) return NOTHING;
  const attributes = info.split(",").map((part) => part.trim());
  return new Set(attributes.filter((attribute) => attribute !== ""));
}

/** A query for unknown attributes is refused; an event with them is published all the same. */
export function refuseUnknown(info: ReadonlySet<string>, known: readonly InfoAttribute[]): void {
  for (const attribute of info) {
    if (!(known as readonly string[]).includes(attribute)) {
      throw new ApiFault(
        badRequest(
          `info should be a comma separated list of attributes: ${known.join(", ")} (got ${attribute})`,
        ),
      );
    }
  }
}

/** A query for an attribute that this channel cannot have is refused, where an event leaves it out. */
export function refuseInapplicable(
  tenant: Tenant,
  channel: string,
  info: ReadonlySet<string>,
): void {
  if (info.has("user_count") && !isPresenceChannel(channel))
    throw new ApiFault(USER_COUNT_NEEDS_PRESENCE);
  if (info.has("cache") && !isCacheChannel(channel)) {
    throw new ApiFault(
      badRequest("Cannot retrieve the cache unless the channel is a cache channel"),
    );
  }
  if (info.has("subscription_count")) refuseCountIfOff(tenant);
}

export function refuseCountIfOff(tenant: Tenant): void {
  if (tenant.app.subscriptionCount) return;
  throw new ApiFault(
    badRequest(
      "Cannot retrieve the subscription count unless subscription counting is enabled for the app",
    ),
  );
}

export interface ChannelInfo {
  user_count?: number;
  subscription_count?: number;
  cache?: { data: string; ttl: number } | null;
}

/** The attributes that were asked for and apply to this channel. */
export async function channelInfo(
  node: Node,
  tenant: Tenant,
  channel: string,
  info: ReadonlySet<string>,
  state: ChannelState,
): Promise<ChannelInfo> {
  const told: ChannelInfo = {};
  if (info.has("user_count") && isPresenceChannel(channel)) told.user_count = state.members.length;
  if (info.has("subscription_count") && tenant.app.subscriptionCount)
    told.subscription_count = state.subscribers;
  if (info.has("cache") && isCacheChannel(channel)) {
    const entry = await node.cache.get(tenant.id, channel);
    told.cache =
      entry === undefined ? null : { data: entry.data, ttl: Math.ceil(entry.ttlMs / 1000) };
  }
  return told;
}
