import type { Bus } from "../../channels/ports/bus.ts";
import type { Clock } from "../../channels/ports/clock.ts";
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

interface HeldMember {
  readonly member: Member;
  connections: number;
}

interface HeldChannel {
  subscribers: number;
  /** By user id; undefined until the first member. */
  members: Map<string, HeldMember> | undefined;
  count: CountState;
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
 * must be one that delivers within `publish` for announcements to keep the order of the edges.
 */
export class MemoryRoster implements Roster {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #apps = new Map<string, HeldApp>();

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  hold(holding: ChannelHolding): Promise<HoldingOutcome> {
    const app = this.#app(holding.appId);
    const channel = app.channels.get(holding.channel) ?? emptyChannel();
    if (holding.member !== undefined && isFull(channel, holding.member)) {
      return Promise.resolve({ accepted: false, reason: "presence-channel-full" });
    }

    channel.subscribers = holding.subscribers;
    if (holding.member !== undefined) this.#holdMember(holding, channel, holding.member);
    if (channel.subscribers === 0) {
      channel.cancelCount?.();
      app.channels.delete(holding.channel);
    } else {
      app.channels.set(holding.channel, channel);
      if (holding.announceCount)
        this.#announceCount(holding.appId, holding.channel, channel, holding.causeSocketId);
    }
    const joined = holding.member !== undefined && holding.member.connections > 0;
    return Promise.resolve({ accepted: true, state: stateOf(channel, joined) });
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
  ): void {
    const members = (channel.members ??= new Map());
    const held = members.get(member.userId);
    if (held !== undefined && connections > 0) {
      held.connections = connections;
    } else if (connections > 0) {
      members.set(member.userId, { member, connections });
      const frame = memberAddedFrame(holding.channel, member);
      this.#announce(holding.appId, holding.channel, frame, holding.causeSocketId);
    } else if (held !== undefined) {
      members.delete(member.userId);
      const frame = memberRemovedFrame(holding.channel, member.userId);
      this.#announce(holding.appId, holding.channel, frame, holding.causeSocketId);
    }
  }

  #announceCount(
    appId: string,
    name: string,
    channel: HeldChannel,
    causeSocketId: string | undefined,
  ): void {
    const decision = decideCount(channel.count, channel.subscribers, this.#clock.elapsedMs());
    if (decision.kind === "nothing") return;
    if (decision.kind === "wait") {
      channel.cancelCount ??= this.#clock.after(decision.untilMs - this.#clock.elapsedMs(), () => {
        channel.cancelCount = undefined;
        this.#announceCount(appId, name, channel, undefined);
      });
      return;
    }
    channel.cancelCount?.();
    channel.cancelCount = undefined;
    channel.count = decision.state;
    this.#announce(appId, name, subscriptionCountFrame(name, channel.subscribers), causeSocketId);
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
  return { subscribers: 0, members: undefined, count: NOTHING_ANNOUNCED, cancelCount: undefined };
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
