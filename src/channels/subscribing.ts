import { activeKey } from "../protocol/app.ts";
import {
  isCacheChannel,
  isPresenceChannel,
  isPrivateChannel,
  isValidChannelName,
  userOfChannel,
} from "../protocol/channel-name.ts";
import { echo } from "../protocol/client-message.ts";
import {
  cacheMissFrame,
  eventFrame,
  presenceSucceededFrame,
  subscriptionCountFrame,
  subscriptionSucceededFrame,
  type Member,
} from "../protocol/frames.ts";
import { parseMember, type Parsed } from "../protocol/identity.ts";
import { channelSigningText, parseAuthToken, verify } from "../protocol/signature.ts";
import { authorize } from "./authorization.ts";
import { announcesCount, hold } from "./holding.ts";
import type { Inquiry, LocalChannel, LocalMember } from "./local-channel.ts";
import type { Node } from "./node.ts";
import { isRecorded } from "./recording.ts";
import type { Session, Subscription } from "./session.ts";

export interface SubscribeRequest {
  readonly channel: string;
  readonly auth: string | undefined;
  readonly channelData: string | undefined;
}

/**
 * Subscribes a socket to a channel.
 *
 * The claim is made first, in memory, and then told to the Roster as an absolute number: two sockets that subscribe at
 * the same time both tell the truth whatever order their answers come in. The client hears of its success before any
 * event of the channel, for its socket joins the topic in the same turn in which the success is sent. What the Roster
 * announced between its answer and that turn is part of it, or the client's list or count would stay wrong.
 */
export async function subscribe(
  node: Node,
  session: Session,
  request: SubscribeRequest,
): Promise<void> {
  const { tenant } = session;
  const name = request.channel;
  const fault = subscribeFault(session, request);
  if (fault !== undefined) return session.sendError(null, fault);
  let member: Member | undefined;
  if (isPresenceChannel(name)) {
    const parsed = presenceMember(session, request);
    if ("fault" in parsed)
      return session.sendError(null, `Invalid presence subscription to ${name}: ${parsed.fault}`);
    member = parsed.value;
  }

  const channel = node.channel(tenant, name);
  const subscription = claim(session, channel, member);
  await channel.attached;
  const inquiry = channel.inquire(session.socketId);
  try {
    await join(node, session, subscription, inquiry);
  } finally {
    channel.conclude(inquiry);
  }
}

async function join(
  node: Node,
  session: Session,
  subscription: Subscription,
  inquiry: Inquiry,
): Promise<void> {
  const { tenant } = session;
  const { channel, member } = subscription;
  const { name } = channel;
  const state = await hold(node, session, subscription);
  if (state === undefined) {
    // What other sockets said meanwhile may have counted this one in.
    await leave(node, session, subscription);
    return session.sendError(
      null,
      `Presence channel ${name} is full: at most ${tenant.app.limits.presenceMembers} members are allowed`,
    );
  }
  const members = member === undefined ? undefined : channel.learnMembers(state.members, inquiry);
  if (isPrivateChannel(name)) await authorize(node, session);
  // Gone meanwhile, or over the quota: its close, which waits behind this, withdraws the claim.
  if (!session.isLive) return;

  tenant.counters.subscribes++;
  if (member !== undefined && members !== undefined) {
    const { userId } = member.member;
    // Another socket's info may be the user's.
    const own = state.members.find((other) => other.userId === userId) ?? member.member;
    session.send(presenceSucceededFrame(name, members.enter(own, session.socketId)));
  } else {
    session.send(subscriptionSucceededFrame(name));
    if (announcesCount(tenant, name)) {
      session.send(subscriptionCountFrame(name, state.subscribers));
      channel.joinWithCount(session.socketId, inquiry);
    }
    for (const frame of inquiry.since) session.send(frame);
  }
  session.socket.subscribe(channel.topic);
  channel.conclude(inquiry);
  if (isCacheChannel(name)) await sendCached(node, session, channel);
}

/** Unsubscribes; the server has no answer to that but to a mistake. */
export async function unsubscribe(node: Node, session: Session, name: string): Promise<void> {
  const subscription = session.subscriptions?.get(name);
  if (subscription === undefined) {
    return session.sendError(
      null,
      `No current subscription to channel ${echo(name)}, or subscription in progress`,
    );
  }
  session.socket.unsubscribe(subscription.channel.topic);
  await leave(node, session, subscription);
}

/** Withdraws everything a closed socket held. All is said at once: a store may take it in one go. */
export async function leaveAll(node: Node, session: Session): Promise<void> {
  const subscriptions = [...(session.subscriptions?.values() ?? [])];
  await Promise.all(subscriptions.map((subscription) => leave(node, session, subscription)));
}

async function leave(node: Node, session: Session, subscription: Subscription): Promise<void> {
  release(session, subscription);
  const held = hold(node, session, subscription);
  node.releaseChannel(session.tenant, subscription.channel);
  await held;
}

function subscribeFault(
  session: Session,
  { channel: name, auth, channelData }: SubscribeRequest,
): string | undefined {
  const { app } = session.tenant;
  if (!isValidChannelName(name, app.limits.channelNameLength))
    return `Invalid channel name: ${echo(name)}`;
  if (session.subscriptions?.has(name)) return `Existing subscription to channel ${name}`;
  const limit = app.limits.subscriptionsPerConnection;
  if (limit !== null && (session.subscriptions?.size ?? 0) >= limit) {
    return `Subscription to channel ${name} refused: a connection may have at most ${limit} subscriptions`;
  }
  const userId = userOfChannel(name);
  if (userId !== undefined && userId !== session.user?.userId) {
    return `Subscription to channel ${name} refused: the connection is not signed in as that user`;
  }
  if (!isPrivateChannel(name)) return undefined;

  if (!auth) return `Auth info required to subscribe to ${name}`;
  const token = parseAuthToken(auth);
  if (token === undefined) {
    return `Auth value for subscription to ${name} is invalid: should be of format 'key:signature'`;
  }
  const key = activeKey(app, token.key);
  if (key === undefined) return `Invalid key in subscription auth data: '${echo(token.key)}'`;
  const signed = channelSigningText(session.socketId, name, channelData);
  if (!verify(key.secret, signed, token.signature)) {
    return `Invalid signature: Expected HMAC SHA256 hex digest of ${echo(signed)}, but got ${echo(token.signature)}`;
  }
  return undefined;
}

/** A signed-in user needs no `channel_data`; where it is given, it counts (contract 1.10). */
function presenceMember(session: Session, request: SubscribeRequest): Parsed<Member> {
  if (request.channelData !== undefined)
    return parseMember(request.channelData, session.tenant.app.limits);
  if (session.user !== undefined) return { value: session.user };
  return { fault: "channel_data is required unless the connection is signed in" };
}

function claim(session: Session, channel: LocalChannel, member: Member | undefined): Subscription {
  channel.subscribers++;
  let local: LocalMember | undefined;
  if (member !== undefined) {
    const members = (channel.members ??= new Map());
    local = members.get(member.userId);
    if (local === undefined) {
      local = { member: { userId: member.userId, infoJson: member.infoJson }, connections: 0 };
      members.set(member.userId, local);
    }
    local.connections++;
  }
  const subscription = { channel, member: local };
  session.subscriptions ??= new Map();
  session.subscriptions.set(channel.name, subscription);
  return subscription;
}

function release(session: Session, { channel, member }: Subscription): void {
  session.subscriptions?.delete(channel.name);
  channel.subscribers--;
  channel.forget(session.socketId, member?.member.userId);
  if (member === undefined) return;
  member.connections--;
  if (member.connections === 0) channel.members?.delete(member.member.userId);
}

/**
 * The last event of a cache channel comes first, unless a newer one passed while it was fetched: then the client has that
 * already, and the older one behind it would look like the last.
 */
async function sendCached(node: Node, session: Session, channel: LocalChannel): Promise<void> {
  const { tenant } = session;
  const { events } = channel;
  const entry = await node.cache.get(tenant.id, channel.name);
  if (channel.events !== events) return;
  if (entry !== undefined) return session.send(eventFrame(channel.name, entry.event, entry.data));
  tenant.counters.cacheMisses++;
  // First the record: a client that was told of the miss may ask for the event, and nobody would know.
  if (isRecorded(tenant.app, "cache_miss", channel.name))
    await node.events.appendCacheMiss(tenant.id, channel.name);
  session.send(cacheMissFrame(channel.name));
}
