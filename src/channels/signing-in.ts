import { activeKey } from "../protocol/app.ts";
import { userChannel, watchersChannel } from "../protocol/channel-name.ts";
import { echo } from "../protocol/client-message.ts";
import {
  signinSuccessFrame,
  watchlistEventsFrame,
  type WatchlistEvent,
} from "../protocol/frames.ts";
import { parseUser, type User } from "../protocol/identity.ts";
import { parseAuthToken, userSigningText, verify } from "../protocol/signature.ts";
import { authorize } from "./authorization.ts";
import type { LocalChannel } from "./local-channel.ts";
import type { Node } from "./node.ts";
import type { Session } from "./session.ts";
import type { Tenant } from "./tenant.ts";

const WATCHLIST_LIMIT_CODE = 4302;

/**
 * Signs a socket in as a user (contract 1.14).
 *
 * From here on this node listens on the user's own channel, so that the user's sockets can be terminated; and, where the
 * app has watchlists, on the channels about each watched user. Listening comes before asking who is online, what is
 * announced meanwhile counts more than the answer, and the socket joins in the turn in which it is told: what the client
 * hears last is true, and it hears each change once.
 */
export async function signIn(
  node: Node,
  session: Session,
  auth: string,
  userData: string,
): Promise<void> {
  const { tenant } = session;
  const { app } = tenant;
  const token = parseAuthToken(auth);
  if (token === undefined)
    return session.sendError(null, "Invalid signin: auth should be of format 'key:signature'");
  const key = activeKey(app, token.key);
  if (key === undefined)
    return session.sendError(null, `Invalid key in signin auth data: '${echo(token.key)}'`);
  const signed = userSigningText(session.socketId, userData);
  if (!verify(key.secret, signed, token.signature)) {
    return session.sendError(
      null,
      `Invalid signature: Expected HMAC SHA256 hex digest of ${echo(signed)}, but got ${echo(token.signature)}`,
    );
  }
  const parsed = parseUser(userData, app.limits);
  if ("fault" in parsed) return session.sendError(null, `Invalid signin: ${parsed.fault}`);
  const user = parsed.value;
  if (session.user !== undefined) {
    if (session.user.userId === user.userId) return session.send(signinSuccessFrame(userData));
    return session.sendError(
      null,
      "Invalid signin: the connection is already signed in as another user",
    );
  }

  await enter(node, session, user);
  if (!session.isLive) return;
  await authorize(node, session);
  session.send(signinSuccessFrame(userData));
  if (!app.watchlist) return;
  if (user.watchlistCut) {
    session.sendError(
      WATCHLIST_LIMIT_CODE,
      `Watchlist limit exceeded: only the first ${app.limits.watchlistUsers} users are watched`,
    );
  }
  await watch(node, session, user);
}

/** Withdraws the sign-in of a closed socket. */
export async function signOut(node: Node, session: Session): Promise<void> {
  const { tenant, user } = session;
  if (user === undefined) return;
  const connections = node.sessions.deleteUser(session, user.userId);
  const held = node.roster.holdUser(tenant.id, user.userId, connections);
  const own = tenant.channels.get(userChannel(user.userId));
  if (own !== undefined) {
    own.listeners--;
    node.releaseChannel(tenant, own);
  }
  for (const channel of session.watching ?? []) {
    channel.subscribers--;
    node.releaseChannel(tenant, channel);
  }
  await held;
}

async function enter(node: Node, session: Session, user: User): Promise<void> {
  const { tenant } = session;
  session.user = user;
  const connections = node.sessions.addUser(session, user.userId);
  const own = node.channel(tenant, userChannel(user.userId));
  own.listeners++;
  const held = node.roster.holdUser(tenant.id, user.userId, connections);
  // Together: an error of one must not leave the other's unheard.
  await Promise.all([own.attached, held]);
}

async function watch(node: Node, session: Session, user: User): Promise<void> {
  if (user.watchlist.length === 0) return;
  const { tenant } = session;
  const channels = user.watchlist.map((id) => node.channel(tenant, watchersChannel(id)));
  session.watching = channels;
  for (const channel of channels) channel.subscribers++;
  await Promise.all(channels.map((channel) => channel.attached));
  await learnWhoIsOnline(node, tenant, user.watchlist, channels);
  if (!session.isLive) return;

  for (const channel of channels) session.socket.subscribe(channel.topic);
  const online = user.watchlist.filter((_, i) => channels[i]?.isOnline);
  const offline = user.watchlist.filter((_, i) => !channels[i]?.isOnline);
  const events: WatchlistEvent[] = [];
  if (online.length > 0) events.push({ name: "online", user_ids: online });
  if (offline.length > 0) events.push({ name: "offline", user_ids: offline });
  session.send(watchlistEventsFrame(events));
}

/** Asks about those of the users whom nobody here watches yet. */
async function learnWhoIsOnline(
  node: Node,
  tenant: Tenant,
  userIds: readonly string[],
  channels: readonly LocalChannel[],
): Promise<void> {
  const unknown = userIds.filter((_, i) => channels[i]?.isOnline === undefined);
  if (unknown.length === 0) return;
  const online = new Set(await node.roster.online(tenant.id, unknown));
  for (const [i, userId] of userIds.entries()) {
    const channel = channels[i];
    if (channel !== undefined) channel.isOnline ??= online.has(userId);
  }
}
