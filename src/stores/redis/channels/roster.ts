import type { Clock } from "../../../channels/ports/clock.ts";
import type {
  ChannelHolding,
  ChannelState,
  ChannelSummary,
  HoldingOutcome,
  Roster,
} from "../../../channels/ports/roster.ts";
import { watchersChannel } from "../../../protocol/channel-name.ts";
import type { Member } from "../../../protocol/frames.ts";
import type { RedisConnection, Reply } from "../connection.ts";
import type { Keys } from "../keys.ts";
import channelSource from "../lua/channel.lua" with { type: "text" };
import channelsSource from "../lua/channels.lua" with { type: "text" };
import onlineSource from "../lua/online.lua" with { type: "text" };
import {
  connectionsOperation,
  holdOperation,
  lateCountOperation,
  userOperation,
} from "./operation.ts";
import type { PartitionWriters } from "./partition-writers.ts";
import type { ChannelStatement } from "./said.ts";
import { script } from "../script.ts";

const CHANNEL = script("channel", channelSource);
const CHANNELS = script("channels", channelsSource);
const ONLINE = script("online", onlineSource);
const PAGE_CHANNELS = 1_000;

export interface RosterDependencies {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly writers: PartitionWriters;
  readonly clock: Clock;
}

/**
 * A Roster in Redis. Edges are decided, announced and recorded by one script in one partition (lua/write.lua), whose cost
 * depends on nothing but the channel.
 */
export class RedisRoster implements Roster {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #writers: PartitionWriters;
  readonly #clock: Clock;
  /** By `app/channel`: ends of the timers of counts that wait to be told. */
  readonly #lateCounts = new Map<string, () => void>();

  constructor({ connection, keys, writers, clock }: RosterDependencies) {
    this.#connection = connection;
    this.#keys = keys;
    this.#writers = writers;
    this.#clock = clock;
  }

  async hold(holding: ChannelHolding): Promise<HoldingOutcome> {
    const { appId, channel } = holding;
    const statement = statementOf(holding);
    const operation = holdOperation(statement, {
      causeSocketId: holding.causeSocketId,
      maxMembers: holding.member?.maxMembers ?? 0,
    });
    const reply = await this.#writers
      .of(appId, channel)
      .write(operation, (said) => said.noteChannel(statement));
    if (reply === 0) return { accepted: false, reason: "presence-channel-full" };
    const [subscribers, waitMs, ...members] = reply as readonly Reply[];
    if (Number(waitMs) >= 0) this.#tellCountIn(Number(waitMs), appId, channel);
    return {
      accepted: true,
      state: { subscribers: Number(subscribers), members: membersOf(members) },
    };
  }

  async holdUser(appId: string, userId: string, connections: number): Promise<void> {
    const user = { appId, userId, connections };
    await this.#writers
      .of(appId, watchersChannel(userId))
      .write(userOperation(user), (said) => said.noteUser(user));
  }

  async holdConnections(appId: string, connections: number): Promise<number> {
    const reply = await this.#writers
      .of(appId, "")
      .write(connectionsOperation(appId, connections), (said) =>
        said.noteConnections(appId, connections),
      );
    return Number(reply);
  }

  async channel(appId: string, channel: string): Promise<ChannelState> {
    const partition = this.#keys.partitionOf(appId, channel);
    const keys = ["channel", "members"].map((kind) =>
      this.#keys.in(partition, `${kind}:${appId}/${channel}`),
    );
    const [subscribers, ...members] = (await this.#connection.run(
      CHANNEL,
      keys,
      [],
    )) as readonly Reply[];
    return { subscribers: Number(subscribers), members: membersOf(members) };
  }

  async channels(appId: string, prefix: string): Promise<ChannelSummary[]> {
    const partitions = Array.from({ length: this.#keys.partitions }, (_, partition) => partition);
    const found = await Promise.all(
      partitions.map((partition) => this.#channelsIn(partition, appId, prefix)),
    );
    return found.flat();
  }

  async online(appId: string, userIds: readonly string[]): Promise<string[]> {
    const byPartition = Map.groupBy(userIds, (userId) =>
      this.#keys.partitionOf(appId, watchersChannel(userId)),
    );
    const online = new Set<string>();
    await Promise.all(
      Array.from(byPartition, async ([partition, ids]) => {
        const keys = ids.map((userId) =>
          this.#keys.in(partition, `user:${appId}/${watchersChannel(userId)}`),
        );
        const reply = (await this.#connection.run(ONLINE, keys, [])) as readonly number[];
        for (const [i, userId] of ids.entries()) if (reply[i] === 1) online.add(userId);
      }),
    );
    return userIds.filter((userId) => online.has(userId));
  }

  close(): Promise<void> {
    for (const end of this.#lateCounts.values()) end();
    this.#lateCounts.clear();
    return Promise.resolve();
  }

  async #channelsIn(partition: number, appId: string, prefix: string): Promise<ChannelSummary[]> {
    const keys = [this.#keys.in(partition, `channels:${appId}`)];
    const base = this.#keys.in(partition, "");
    // What is there all the time comes at least once, perhaps twice.
    const found = new Map<string, ChannelSummary>();
    for (let cursor = "0"; ;) {
      const args = [base, appId, prefix, cursor, `${PAGE_CHANNELS}`];
      const [next, ...rest] = (await this.#connection.run(
        CHANNELS,
        keys,
        args,
      )) as readonly Reply[];
      for (let i = 0; i + 2 < rest.length; i += 3) {
        const channel = String(rest[i]);
        const subscribers = Number(rest[i + 1]);
        if (subscribers > 0)
          found.set(channel, { channel, subscribers, users: Number(rest[i + 2]) });
      }
      cursor = String(next);
      if (cursor === "0") return [...found.values()];
    }
  }

  #tellCountIn(delayMs: number, appId: string, channel: string): void {
    const place = `${appId}/${channel}`;
    if (this.#lateCounts.has(place)) return;
    const end = this.#clock.after(delayMs, () => {
      this.#lateCounts.delete(place);
      this.#writers
        .of(appId, channel)
        .write(lateCountOperation(appId, channel))
        // The registry looks for counts that nobody told.
        .catch(() => {});
    });
    this.#lateCounts.set(place, end);
  }
}

function statementOf(holding: ChannelHolding): ChannelStatement {
  const { appId, channel, subscribers, record, announceCount, member } = holding;
  return {
    appId,
    channel,
    subscribers,
    recording: record,
    announcesCount: announceCount,
    member:
      member === undefined
        ? undefined
        : {
            user: JSON.stringify(member.member.userId),
            info: member.member.infoJson ?? "",
            connections: member.connections,
          },
  };
}

/** Of user and `<nodes>,<info>` in turn. */
function membersOf(flat: readonly Reply[]): Member[] {
  const members: Member[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const value = String(flat[i + 1]);
    const info = value.slice(value.indexOf(",") + 1);
    members.push({
      userId: JSON.parse(String(flat[i])) as string,
      infoJson: info === "" ? null : info,
    });
  }
  return members;
}
