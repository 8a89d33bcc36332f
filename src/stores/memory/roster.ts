import type { Bus } from "../../channels/ports/bus.ts";
import type { Clock } from "../../channels/ports/clock.ts";
import { NO_JOURNAL, type Journal } from "../../channels/ports/journal.ts";
import type {
  ChannelHolding,
  ChannelState,
  ChannelSummary,
  HoldingOutcome,
  MemberHolding,
  Roster,
} from "../../channels/ports/roster.ts";
import { watchersChannel } from "../../protocol/channel-name.ts";
import {
  memberAddedFrame,
  memberRemovedFrame,
  subscriptionCountFrame,
  watchlistEventsFrame,
  type Member,
} from "../../protocol/frames.ts";
import {
  NOTHING_ANNOUNCED,
  decideCount,
  type CountState,
} from "../../protocol/subscription-count.ts";
import type { WebhookEvent } from "../../protocol/webhook-event.ts";

interface HeldMember {
  readonly member: Member;
  connections: number;
}

interface HeldChannel {
  subscribers: number;
  /** By user id; undefined until the first member. */
  members: Map<string, HeldMember> | undefined;
  count: CountState;
  /** The journal knows that it is occupied, and by whom. */
  isRecorded: boolean;
  /** The count that the journal knows. */
  recordedCount: number;
  cancelCount: (() => void) | undefined;
}

interface HeldApp {
  readonly channels: Map<string, HeldChannel>;
  /** User id to signed-in sockets; never 0. */
  readonly users: Map<string, number>;
  connections: number;
}

/**
 * A Roster for one process. All of a call happens in one turn of the event loop, which is what makes it atomic; the Bus
 * must be one that delivers within `publish` for announcements to keep the order of the edges. What must outlast the
 * process goes to the journal in the same turn.
 */
export class MemoryRoster implements Roster {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #apps = new Map<string, HeldApp>();

  constructor(bus: Bus, clock: Clock, journal: Journal = NO_JOURNAL) {
    this.#bus = bus;
    this.#clock = clock;
    this.#journal = journal;
  }

  hold(holding: ChannelHolding): Promise<HoldingOutcome> {
    const app = this.#app(holding.appId);
    const channel = app.channels.get(holding.channel) ?? emptyChannel();
    if (holding.member !== undefined && isFull(channel, holding.member)) {
      return Promise.resolve({ accepted: false, reason: "presence-channel-full" });
    }

    channel.subscribers = holding.subscribers;
    const events: WebhookEvent[] = [];
    if (channel.subscribers > 0 && holding.record !== "nothing" && !channel.isRecorded)
      beginRecording(holding.channel, channel, events);
    if (holding.member !== undefined) this.#holdMember(holding, channel, holding.member, events);
    if (channel.subscribers === 0) {
      channel.cancelCount?.();
      app.channels.delete(holding.channel);
      if (channel.isRecorded) endRecording(holding.channel, channel, events);
    } else {
      app.channels.set(holding.channel, channel);
      if (holding.announceCount) this.#announceCount(holding, channel, events);
    }
    const joined = holding.member !== undefined && holding.member.connections > 0;
    const outcome = { accepted: true, state: stateOf(channel, joined) } as const;
    const room = events.length === 0 ? undefined : this.#journal.record(holding.appId, events);
    return room === undefined ? Promise.resolve(outcome) : room.then(() => outcome);
  }

  holdUser(appId: string, userId: string, connections: number): Promise<void> {
    const { users } = this.#app(appId);
    const wasOnline = users.has(userId);
    const isOnline = connections > 0;
    if (isOnline) users.set(userId, connections);
    else users.delete(userId);
    if (wasOnline !== isOnline) {
      const event = { name: isOnline ? "online" : "offline", user_ids: [userId] } as const;
      this.#announce(appId, watchersChannel(userId), watchlistEventsFrame([event]), undefined);
    }
    return Promise.resolve();
  }

  holdConnections(appId: string, connections: number): Promise<number> {
    this.#app(appId).connections = connections;
    return Promise.resolve(connections);
  }

  channel(appId: string, channel: string): Promise<ChannelState> {
    return Promise.resolve(
      stateOf(this.#apps.get(appId)?.channels.get(channel) ?? emptyChannel(), true),
    );
  }

  channels(appId: string, prefix: string): Promise<ChannelSummary[]> {
    const found: ChannelSummary[] = [];
    for (const [name, channel] of this.#apps.get(appId)?.channels ?? []) {
      if (!name.startsWith(prefix)) continue;
      found.push({
        channel: name,
        subscribers: channel.subscribers,
        users: channel.members?.size ?? 0,
      });
    }
    return Promise.resolve(found);
  }

  online(appId: string, userIds: readonly string[]): Promise<string[]> {
    const users = this.#apps.get(appId)?.users;
    return Promise.resolve(userIds.filter((id) => users?.has(id)));
  }

  close(): Promise<void> {
    for (const app of this.#apps.values()) {
      for (const channel of app.channels.values()) channel.cancelCount?.();
    }
    this.#apps.clear();
    return Promise.resolve();
  }

  #app(appId: string): HeldApp {
    let app = this.#apps.get(appId);
    if (app === undefined) {
      app = { channels: new Map(), users: new Map(), connections: 0 };
      this.#apps.set(appId, app);
    }
    return app;
  }

  #holdMember(
    holding: ChannelHolding,
    channel: HeldChannel,
    { member, connections }: MemberHolding,
    events: WebhookEvent[],
  ): void {
    const members = (channel.members ??= new Map());
    const held = members.get(member.userId);
    if (held !== undefined && connections > 0) {
      held.connections = connections;
    } else if (connections > 0) {
      members.set(member.userId, { member, connections });
      if (channel.isRecorded) events.push(memberEvent("member_added", holding, member));
      const frame = memberAddedFrame(holding.channel, member);
      this.#announce(holding.appId, holding.channel, frame, holding.causeSocketId);
    } else if (held !== undefined) {
      members.delete(member.userId);
      if (channel.isRecorded) events.push(memberEvent("member_removed", holding, member));
      const frame = memberRemovedFrame(holding.channel, member.userId);
      this.#announce(holding.appId, holding.channel, frame, holding.causeSocketId);
    }
  }

  /** Where the rule says later, it is told later, to subscribers and journal alike. */
  #announceCount(holding: ChannelHolding, channel: HeldChannel, events: WebhookEvent[]): void {
    const { appId, channel: name, causeSocketId } = holding;
    const decision = decideCount(channel.count, channel.subscribers, this.#clock.elapsedMs());
    if (decision.kind === "nothing") return;
    if (decision.kind === "wait") {
      channel.cancelCount ??= this.#clock.after(decision.untilMs - this.#clock.elapsedMs(), () => {
        channel.cancelCount = undefined;
        const late: WebhookEvent[] = [];
        this.#announceCount({ ...holding, causeSocketId: undefined }, channel, late);
        if (late.length > 0) void this.#journal.record(appId, late);
      });
      return;
    }
    channel.cancelCount?.();
    channel.cancelCount = undefined;
    channel.count = decision.state;
    this.#announce(appId, name, subscriptionCountFrame(name, channel.subscribers), causeSocketId);
    if (holding.record !== "edges-and-counts") return;
    channel.recordedCount = channel.subscribers;
    events.push(countEvent(name, channel.subscribers));
  }

  #announce(
    appId: string,
    channel: string,
    frame: string,
    exceptSocketId: string | undefined,
  ): void {
    void this.#bus.publish([
      { kind: "frame", appId, channel, source: "roster", frame, exceptSocketId },
    ]);
  }
}

function emptyChannel(): HeldChannel {
  return {
    subscribers: 0,
    members: undefined,
    count: NOTHING_ANNOUNCED,
    isRecorded: false,
    recordedCount: 0,
    cancelCount: undefined,
  };
}

function beginRecording(name: string, channel: HeldChannel, events: WebhookEvent[]): void {
  channel.isRecorded = true;
  events.push({ name: "channel_occupied", channel: name });
  // Who was there before anybody asked for a record.
  for (const userId of channel.members?.keys() ?? [])
    events.push({ name: "member_added", channel: name, user_id: userId });
}

function endRecording(name: string, channel: HeldChannel, events: WebhookEvent[]): void {
  // A receiver that keeps the count would keep the last one for ever.
  if (channel.recordedCount > 0) events.push(countEvent(name, 0));
  events.push({ name: "channel_vacated", channel: name });
}

function memberEvent(
  name: "member_added" | "member_removed",
  { channel }: ChannelHolding,
  { userId }: Member,
): WebhookEvent {
  return { name, channel, user_id: userId };
}

function countEvent(channel: string, count: number): WebhookEvent {
  return { name: "subscription_count", channel, subscription_count: count };
}

function isFull(channel: HeldChannel, { member, connections, maxMembers }: MemberHolding): boolean {
  if (connections === 0 || channel.members?.has(member.userId)) return false;
  return (channel.members?.size ?? 0) >= maxMembers;
}

function stateOf(channel: HeldChannel, withMembers: boolean): ChannelState {
  const held = withMembers ? channel.members : undefined;
  const members = held === undefined ? [] : Array.from(held.values(), ({ member }) => member);
  return { subscribers: channel.subscribers, members };
}
