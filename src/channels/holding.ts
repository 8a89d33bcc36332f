import { isPresenceChannel, userOfChannel, watchedUserOf } from "../protocol/channel-name.ts";
import type { Node } from "./node.ts";
import type { ChannelHolding, ChannelState, MemberHolding } from "./ports/roster.ts";
import { edgeRecording } from "./recording.ts";
import type { LocalChannel } from "./local-channel.ts";
import type { Session, Subscription } from "./session.ts";
import type { Tenant } from "./tenant.ts";

/** Tells the Roster what this node holds of the subscription's channel now. Undefined means that it was refused. */
export async function hold(
  node: Node,
  session: Session,
  { channel, member }: Subscription,
): Promise<ChannelState | undefined> {
  const { tenant } = session;
  if (userOfChannel(channel.name) !== undefined)
    return { subscribers: channel.subscribers, members: [] };
  const memberHolding =
    member === undefined
      ? undefined
      : {
          member: member.member,
          connections: member.connections,
          maxMembers: tenant.app.limits.presenceMembers,
        };
  const outcome = await node.roster.hold(
    holdingOf(tenant, channel, memberHolding, session.socketId),
  );
  return outcome.accepted ? outcome.state : undefined;
}

/**
 * Tells the Roster again what this node holds of the app's channels. Numbers are absolute, so what it knows already
 * changes nothing; what a changed app wants recorded from now on is.
 */
export async function holdAgain(node: Node, tenant: Tenant): Promise<void> {
  for (const channel of tenant.channels.values()) {
    if (channel.subscribers === 0 || !isSeenByApp(channel.name)) continue;
    await node.roster.hold(holdingOf(tenant, channel, undefined, undefined));
  }
}

export function announcesCount({ app }: Tenant, channel: string): boolean {
  return app.subscriptionCount && !isPresenceChannel(channel) && isSeenByApp(channel);
}

function isSeenByApp(channel: string): boolean {
  return userOfChannel(channel) === undefined && watchedUserOf(channel) === undefined;
}

function holdingOf(
  tenant: Tenant,
  { name, subscribers }: LocalChannel,
  member: MemberHolding | undefined,
  causeSocketId: string | undefined,
): ChannelHolding {
  return {
    appId: tenant.id,
    channel: name,
    subscribers,
    member,
    causeSocketId,
    announceCount: announcesCount(tenant, name),
    record: edgeRecording(tenant.app, name),
  };
}
