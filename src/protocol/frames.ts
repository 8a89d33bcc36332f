/**
 * The frames a server sends (contract 1.4), ready-made.
 *
 * `data` is a string holding JSON, even for our own events; only `pusher:error` carries an object. The arguments named
 * `…Json` are JSON text already and go in as they are.
 */

export const PING_FRAME = '{"event":"pusher:ping","data":{}}';
export const PONG_FRAME = '{"event":"pusher:pong","data":"{}"}';

export function connectionEstablishedFrame(
  socketId: string,
  activityTimeoutSeconds: number,
): string {
  const data = JSON.stringify({ socket_id: socketId, activity_timeout: activityTimeoutSeconds });
  return `{"event":"pusher:connection_established","data":${JSON.stringify(data)}}`;
}

/** `code` is null for whatever leaves the socket as it was. */
export function errorFrame(code: number | null, message: string): string {
  return `{"event":"pusher:error","data":{"code":${code},"message":${JSON.stringify(message)}}}`;
}

export function subscriptionSucceededFrame(channel: string): string {
  return `{"event":"pusher_internal:subscription_succeeded","data":"{}","channel":${JSON.stringify(channel)}}`;
}

/** A member of a presence channel. `infoJson` is null where the member gave no `user_info`. */
export interface Member {
  readonly userId: string;
  readonly infoJson: string | null;
}

export function presenceSucceededFrame(channel: string, members: readonly Member[]): string {
  const ids = members.map((member) => JSON.stringify(member.userId));
  const hash = members.map((member, i) => `${ids[i]}:${member.infoJson ?? "null"}`);
  const data = `{"presence":{"count":${members.length},"ids":[${ids.join(",")}],"hash":{${hash.join(",")}}}}`;
  return `{"event":"pusher_internal:subscription_succeeded","channel":${JSON.stringify(channel)},"data":${JSON.stringify(data)}}`;
}

export function memberAddedFrame(channel: string, member: Member): string {
  const id = JSON.stringify(member.userId);
  const data =
    member.infoJson === null
      ? `{"user_id":${id}}`
      : `{"user_id":${id},"user_info":${member.infoJson}}`;
  return `{"event":"pusher_internal:member_added","channel":${JSON.stringify(channel)},"data":${JSON.stringify(data)}}`;
}

export function memberRemovedFrame(channel: string, userId: string): string {
  const data = `{"user_id":${JSON.stringify(userId)}}`;
  return `{"event":"pusher_internal:member_removed","channel":${JSON.stringify(channel)},"data":${JSON.stringify(data)}}`;
}

export function subscriptionCountFrame(channel: string, count: number): string {
  return `{"event":"pusher_internal:subscription_count","channel":${JSON.stringify(channel)},"data":"{\\"subscription_count\\":${count}}"}`;
}

export function cacheMissFrame(channel: string): string {
  return `{"event":"pusher:cache_miss","channel":${JSON.stringify(channel)}}`;
}

export function signinSuccessFrame(userData: string): string {
  const data = JSON.stringify({ user_data: userData });
  return `{"event":"pusher:signin_success","data":${JSON.stringify(data)}}`;
}

export interface WatchlistEvent {
  readonly name: "online" | "offline";
  readonly user_ids: readonly string[];
}

export function watchlistEventsFrame(events: readonly WatchlistEvent[]): string {
  return `{"event":"pusher_internal:watchlist_events","data":${JSON.stringify(JSON.stringify({ events }))}}`;
}

/** An event published through the API; `data` is the very string that was published. */
export function eventFrame(channel: string, event: string, data: string): string {
  return `{"event":${JSON.stringify(event)},"channel":${JSON.stringify(channel)},"data":${JSON.stringify(data)}}`;
}

/** `userId` is given on presence channels only: it is what the receivers may trust about the sender. */
export function clientEventFrame(
  channel: string,
  event: string,
  data: string,
  userId: string | undefined,
): string {
  const user = userId === undefined ? "" : `,"user_id":${JSON.stringify(userId)}`;
  return `{"event":${JSON.stringify(event)},"channel":${JSON.stringify(channel)},"data":${JSON.stringify(data)}${user}}`;
}
