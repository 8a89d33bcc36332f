import type { Client, Frame } from "./ring.ts";

/**
 * What a client of a channel believes, from what it was told. Told twice, or told of somebody whom it does not know, it
 * throws.
 */
export class MemberBelief {
  readonly client: Client;
  readonly channel: string;

  constructor(client: Client, channel: string) {
    this.client = client;
    this.channel = channel;
  }

  /** Info by user id; undefined while it is not on the channel. */
  get members(): Record<string, unknown> | undefined {
    let members: Map<string, unknown> | undefined;
    for (const { event, channel, data } of this.client.frames) {
      if (channel !== this.channel) continue;
      if (event === "pusher_internal:subscription_succeeded") {
        const { presence } = decoded(data) as { presence: { hash: Record<string, unknown> } };
        members = new Map(Object.entries(presence.hash));
        continue;
      }
      if (!event.startsWith("pusher_internal:member_")) continue;
      const { user_id: userId, user_info: info = null } = decoded(data) as {
        user_id: string;
        user_info?: unknown;
      };
      if (members === undefined) throw new Error(`${userId} is told before the list`);
      const isAdded = event.endsWith("added");
      if (members.has(userId) === isAdded) throw new Error(`${event} of ${userId} is told twice`);
      if (isAdded) members.set(userId, info);
      else members.delete(userId);
    }
    return members === undefined ? undefined : Object.fromEntries(members);
  }
}

/** The count that the client heard last on the channel. */
export function believedCount({ frames }: Client, channel: string): number | undefined {
  const last = frames.findLast(
    (frame) => frame.channel === channel && frame.event.endsWith(":subscription_count"),
  );
  return (decoded(last?.data) as { subscription_count?: number }).subscription_count;
}

/** Who is online, as the client believes; throws when it was told a change that is none. */
export function believedOnline({ frames }: Client): Record<string, boolean> {
  const online: Record<string, boolean> = {};
  for (const frame of frames) {
    if (frame.event !== "pusher_internal:watchlist_events") continue;
    for (const { name, user_ids: userIds } of watchlistEvents(frame)) {
      for (const userId of userIds) {
        if (online[userId] === (name === "online"))
          throw new Error(`${userId} ${name} is told twice`);
        online[userId] = name === "online";
      }
    }
  }
  return online;
}

function watchlistEvents({ data }: Frame): readonly { name: string; user_ids: string[] }[] {
  return (decoded(data) as { events: { name: string; user_ids: string[] }[] }).events;
}

function decoded(data: unknown): unknown {
  return typeof data === "string" ? (JSON.parse(data) as unknown) : {};
}
