import type { ChannelHolding } from "../../../../src/channels/ports/roster.ts";
import { RedisBus } from "../../../../src/stores/redis/channels/bus.ts";
import { RedisEventRecorder } from "../../../../src/stores/redis/channels/event-recorder.ts";
import type { Keys } from "../../../../src/stores/redis/keys.ts";
import { NodeRegistry } from "../../../../src/stores/redis/channels/node-registry.ts";
import { PartitionWriters } from "../../../../src/stores/redis/channels/partition-writers.ts";
import { Reaper } from "../../../../src/stores/redis/channels/reaper.ts";
import { RedisRoster } from "../../../../src/stores/redis/channels/roster.ts";
import { serverTime } from "../../../../src/stores/redis/time.ts";
import type { SimulatedProcess } from "../simulated-process.ts";
import type { SimulatedRedis } from "../redis/simulated-redis.ts";
import { BusAudit } from "./bus-audit.ts";
import { SILENT_LOG } from "./silent-log.ts";

export const NODE_TIMEOUT_MS = 5_000;
const MAX_MEMBERS = 3;

export interface Place {
  readonly appId: string;
  readonly channel: string;
}

/** A socket's subscription, or a crowd's, that comes and goes as one. */
export interface Visit extends Place {
  readonly sockets: number;
  readonly user: string | undefined;
  isSettled: boolean;
}

interface Channel extends Place {
  subscribers: number;
  readonly members: Map<string, number>;
  readonly attached: Promise<void>;
}

/** A channels node, with the store's real classes, and sockets that are nothing but numbers. */
export class ChannelsNode {
  readonly process: SimulatedProcess;
  readonly roster: RedisRoster;
  readonly bus: RedisBus;
  readonly heard: BusAudit;
  readonly visits = new Set<Visit>();
  /** By `app/user`: sockets that are signed in. */
  readonly users = new Map<string, number>();
  readonly connections = new Map<string, number>();
  readonly channels = new Map<string, Channel>();
  readonly #writers: PartitionWriters;
  readonly #registry: NodeRegistry;
  readonly #recorder: RedisEventRecorder;
  #clientEvents = 0;

  constructor(
    process: SimulatedProcess,
    redis: SimulatedRedis,
    keys: Keys,
    fail: (what: string) => void,
  ) {
    this.process = process;
    const connection = redis.connect(process);
    const { clock } = process;
    const about = { connection, keys, clock, time: serverTime, nodeId: process.name };
    this.#writers = new PartitionWriters({ ...about, random: redis.random.next });
    const writers = this.#writers;
    const reaper = new Reaper(about);
    this.#registry = new NodeRegistry({
      ...about,
      writers,
      reaper,
      log: SILENT_LOG,
      nodeTimeoutMs: NODE_TIMEOUT_MS,
    });
    this.roster = new RedisRoster({ ...about, writers });
    this.#recorder = new RedisEventRecorder(writers);
    this.bus = new RedisBus(connection, keys);
    this.heard = new BusAudit(process.name, fail);
    this.bus.receive(({ appId, channel }) =>
      this.heard.hear(`${appId}/${channel}`, redis.heardPlace),
    );
    this.bus.onMissed((appId, channel) => this.heard.missed(`${appId}/${channel}`));
    void this.#start();
  }

  /** Sockets subscribe, as in channels/subscribing.ts. */
  async join(place: Place, sockets: number, user: string | undefined): Promise<void> {
    const visit: Visit = { ...place, sockets, user, isSettled: false };
    this.visits.add(visit);
    const channel = this.#channel(place);
    channel.subscribers += sockets;
    if (user !== undefined) channel.members.set(user, (channel.members.get(user) ?? 0) + sockets);
    await channel.attached;
    try {
      const outcome = await this.roster.hold(holdingOf(channel, user));
      visit.isSettled = true;
      if (!outcome.accepted) await this.leave(visit);
    } catch {
      // The socket is closed.
      await this.leave(visit);
    }
  }

  async leave(visit: Visit): Promise<void> {
    const { user, sockets } = visit;
    this.visits.delete(visit);
    const place = placeText(visit);
    const channel = this.channels.get(place);
    if (channel === undefined) return;
    channel.subscribers -= sockets;
    if (user !== undefined) {
      const left = (channel.members.get(user) ?? 0) - sockets;
      if (left > 0) channel.members.set(user, left);
      else channel.members.delete(user);
    }
    const held = this.roster.hold(holdingOf(channel, user));
    if (channel.subscribers === 0) {
      this.channels.delete(place);
      this.bus.unsubscribe(visit.appId, visit.channel);
      this.heard.unsubscribed(place);
    }
    await held.catch(() => {});
  }

  signIn(appId: string, userId: string, sockets: number): void {
    setOrDelete(this.users, `${appId}/${userId}`, sockets);
    this.roster.holdUser(appId, userId, sockets).catch(() => {});
  }

  connect(appId: string, sockets: number): void {
    setOrDelete(this.connections, appId, sockets);
    this.roster.holdConnections(appId, sockets).catch(() => {});
  }

  missCache({ appId, channel }: Place): void {
    this.#recorder.appendCacheMiss(appId, channel).catch(() => {});
  }

  /** A client sends something; `recorded` is told when that will be told for certain. */
  sendFromClient({ appId, channel }: Place, recorded: (data: string) => void): void {
    const data = `${this.process.name} ${++this.#clientEvents}`;
    this.#recorder
      .append(appId, { name: "client_event", channel, event: "client-e", data, socket_id: "1.1" })
      .then(
        () => recorded(data),
        () => {},
      );
  }

  publish({ appId, channel }: Place, frame: string): void {
    this.bus
      .publish([{ kind: "frame", source: "api", appId, channel, frame, exceptSocketId: undefined }])
      .catch(() => {});
  }

  /** As on SIGTERM: all sockets go, then the node does. */
  async drain(): Promise<void> {
    await Promise.all(Array.from(this.visits, (visit) => this.leave(visit)));
    for (const place of this.users.keys()) {
      const [appId = "", userId = ""] = place.split("/");
      this.signIn(appId, userId, 0);
    }
    await this.#writers.rest();
    try {
      await this.#registry.leave();
    } catch {
      // The others will find out.
    }
    this.#writers.close();
    await this.roster.close();
    await this.bus.close();
    this.process.crash();
  }

  async #start(): Promise<void> {
    for (;;) {
      try {
        return await this.#registry.start();
      } catch {
        await new Promise<void>((resolve) => this.process.clock.after(200, resolve));
      }
    }
  }

  #channel(place: Place): Channel {
    const text = placeText(place);
    let channel = this.channels.get(text);
    if (channel === undefined) {
      const attached = this.bus.subscribe(place.appId, place.channel);
      this.heard.subscribed(text, attached);
      channel = { ...place, subscribers: 0, members: new Map(), attached };
      this.channels.set(text, channel);
    }
    return channel;
  }
}

export function placeText({ appId, channel }: Place): string {
  return `${appId}/${channel}`;
}

function holdingOf(
  { appId, channel, subscribers, members }: Channel,
  user: string | undefined,
): ChannelHolding {
  return {
    appId,
    channel,
    subscribers,
    member:
      user === undefined
        ? undefined
        : {
            member: { userId: user, infoJson: null },
            connections: members.get(user) ?? 0,
            maxMembers: MAX_MEMBERS,
          },
    causeSocketId: "1.1",
    announceCount: user === undefined,
    record: appId === "1" ? "edges-and-counts" : "edges",
  };
}

function setOrDelete(map: Map<string, number>, key: string, value: number): void {
  if (value === 0) map.delete(key);
  else map.set(key, value);
}
