import {
  memberAddedFrame,
  memberRemovedFrame,
  watchlistEventsFrame,
  type Member,
} from "./frames.ts";

/** What a frame of ours says of who came and went. */
export type Announcement =
  | { readonly kind: "member-added"; readonly member: Member }
  | { readonly kind: "member-removed"; readonly userId: string }
  | { readonly kind: "user"; readonly userId: string; readonly isOnline: boolean };

/**
 * Reads what `memberAddedFrame`, `memberRemovedFrame` or `watchlistEventsFrame` (of one user) made; undefined for anything
 * else, be it another version's.
 */
export function parseAnnouncement(frame: string): Announcement | undefined {
  const { event, data } = parseObject(frame);
  if (typeof event !== "string" || typeof data !== "string") return undefined;
  switch (event) {
    case "pusher_internal:member_added":
      return memberAdded(data);
    case "pusher_internal:member_removed": {
      const { user_id: userId } = parseObject(data);
      return typeof userId === "string" ? { kind: "member-removed", userId } : undefined;
    }
    case "pusher_internal:watchlist_events":
      return userChanged(data);
    default:
      return undefined;
  }
}

export function announcementFrame(channel: string, announcement: Announcement): string {
  switch (announcement.kind) {
    case "member-added":
      return memberAddedFrame(channel, announcement.member);
    case "member-removed":
      return memberRemovedFrame(channel, announcement.userId);
    case "user": {
      const name = announcement.isOnline ? "online" : "offline";
      return watchlistEventsFrame([{ name, user_ids: [announcement.userId] }]);
    }
  }
}

const INFO = ',"user_info":';

function memberAdded(data: string): Announcement | undefined {
  const { user_id: userId } = parseObject(data);
  if (typeof userId !== "string") return undefined;
  // Not made from what was parsed: the info must stay the very text that it was.
  const infoStart = data.indexOf(INFO, `{"user_id":${JSON.stringify(userId)}`.length);
  const infoJson = infoStart === -1 ? null : data.slice(infoStart + INFO.length, -1);
  return { kind: "member-added", member: { userId, infoJson } };
}

function userChanged(data: string): Announcement | undefined {
  const { events } = parseObject(data);
  if (!Array.isArray(events) || events.length !== 1) return undefined;
  const { name, user_ids: userIds } = objectOf(events[0]);
  if (!Array.isArray(userIds) || userIds.length !== 1) return undefined;
  const userId: unknown = userIds[0];
  if (typeof userId !== "string" || (name !== "online" && name !== "offline")) return undefined;
  return { kind: "user", userId, isOnline: name === "online" };
}

function parseObject(json: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(json));
  } catch {
    return {};
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
