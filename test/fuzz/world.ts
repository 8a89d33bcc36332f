import { expect } from "bun:test";
import type { AppKey } from "../../src/protocol/app.ts";
import { testApp } from "../support/apps.ts";
import { NOTHING_LEFT, Ring, settled, type Client, type RingOptions } from "../support/ring.ts";
import { channelAuth, hmac, userAuth } from "../support/signing.ts";

/** Two apps whose names are as alike as names can be. What is one's own bears its mark. */
export const KEYS: readonly [AppKey, AppKey] = [
  { key: "key", secret: "secret⟨quokka⟩", active: true },
  { key: "key-1", secret: "secret⟨zephyr⟩", active: true },
];
/** Apart in every character, so that no mutation makes one of the other: a socket is told its own words again. */
export const MARKS = ["⟨quokka⟩", "⟨zephyr⟩"] as const;
export const APPS = [
  testApp({ id: "1", name: "a", keys: [KEYS[0]], limits: { clientEventsPerSecond: null } }),
  testApp({ id: "1-1", name: "b", keys: [KEYS[1]], limits: { clientEventsPerSecond: null } }),
] as const;

export const USERS = ["u", "v", "__proto__", "1/u", "a b", "ü", "constructor"];
export const CHANNELS = [
  "c",
  "1",
  "-1",
  "__proto__",
  "constructor",
  "cache-c",
  "private-c",
  "private-cache-c",
  "private-encrypted-c",
  "private-",
  "presence-c",
  "presence-cache-c",
  "presence-__proto__",
  "#server-to-user-u",
  "#server-to-user-v",
  "#server-to-user-__proto__",
  "#server-to-user-1/u",
  "#watchers-of-u",
  "#",
  "1/c",
  "1-1/c",
  "a b",
  "",
];

const VALID_NAME = /^(#server-to-user-)?[-a-zA-Z0-9_=@,.;]{1,200}$/;
const USER_CHANNEL = "#server-to-user-";
export const SOCKETS_PER_APP = 4;

/** What one socket may believe of itself, worked out from what it sent and from nothing that the server does. */
class Model {
  readonly id: string;
  readonly #key: AppKey;
  /** Channel to the user's id there, undefined where there are no members. */
  readonly subscriptions = new Map<string, string | undefined>();
  user: string | undefined;
  #userData: string | undefined;

  constructor(id: string, key: AppKey) {
    this.id = id;
    this.#key = key;
  }

  send(text: string): void {
    const message = object(parsed(text));
    const data = object(message["data"]);
    const { channel } = data;
    if (message["event"] === "pusher:unsubscribe" && typeof channel === "string") {
      this.subscriptions.delete(channel);
    }
    if (message["event"] === "pusher:subscribe" && typeof channel === "string") {
      this.#subscribe(channel, data["auth"], data["channel_data"]);
    }
    if (message["event"] === "pusher:signin") this.#signIn(data["auth"], data["user_data"]);
  }

  #subscribe(channel: string, auth: unknown, channelData: unknown): void {
    if (!VALID_NAME.test(channel) || channel.length > 200 || this.subscriptions.has(channel))
      return;
    if (channel.startsWith(USER_CHANNEL)) {
      if (this.user !== channel.slice(USER_CHANNEL.length)) return;
    }
    const isPresence = channel.startsWith("presence-");
    const data = typeof channelData === "string" ? channelData : undefined;
    if (isPresence || channel.startsWith("private-")) {
      if (auth !== channelAuth(this.#key, this.id, channel, data)) return;
    }
    if (!isPresence) return void this.subscriptions.set(channel, undefined);
    const userId = data === undefined ? this.user : member(data);
    if (userId !== undefined) this.subscriptions.set(channel, userId);
  }

  #signIn(auth: unknown, userData: unknown): void {
    if (typeof userData !== "string" || auth !== userAuth(this.#key, this.id, userData)) return;
    const user = object(parsed(userData));
    const { id, watchlist } = user;
    if (typeof id !== "string" || id === "" || id.length > 128 || this.user !== undefined) return;
    if (!isInfo(user["user_info"])) return;
    const ids = watchlist ?? [];
    if (!Array.isArray(ids) || !ids.every((watched) => typeof watched === "string")) return;
    this.user = id;
    this.#userData = userData;
  }

  /** The users that are watched. */
  get watched(): string[] {
    const { watchlist } = object(parsed(this.#userData ?? "{}"));
    return [...new Set((watchlist ?? []) as string[])];
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function isInfo(info: unknown): boolean {
  return info === undefined || Buffer.byteLength(JSON.stringify(info)) <= 1_024;
}

function member(channelData: string): string | undefined {
  const data = object(parsed(channelData));
  const id = data["user_id"];
  if ((typeof id !== "string" && typeof id !== "number") || id === "") return undefined;
  const userId = String(id);
  return userId.length <= 128 && isInfo(data["user_info"]) ? userId : undefined;
}

interface Player {
  readonly client: Client;
  readonly model: Model;
  readonly app: 0 | 1;
}

/** A ring with both apps, sockets of both, and the model of each socket. */
export class World {
  readonly ring: Ring;
  readonly players: Player[] = [];
  readonly #gone: Player[] = [];

  private constructor(options: RingOptions) {
    this.ring = new Ring({ ...options, apps: APPS });
  }

  static async make(options: RingOptions = {}): Promise<World> {
    const world = new World(options);
    for (let i = 0; i < 2 * SOCKETS_PER_APP; i++)
      world.players.push(world.#player(i % 2 === 0 ? 0 : 1));
    await settled();
    return world;
  }

  #player(app: 0 | 1): Player {
    const client = this.ring.open({ app: APPS[app], key: KEYS[app] });
    const model = new Model(client.id, KEYS[app]);
    const send = client.sendRaw.bind(client);
    client.sendRaw = (text) => {
      model.send(text);
      send(text);
    };
    return { client, model, app };
  }

  /** The socket goes, and another takes its place. */
  replace(place: number): void {
    const player = this.players[place]!;
    this.#gone.push(player);
    player.client.drop();
    this.players[place] = this.#player(player.app);
  }

  /** What the server holds and what clients believe is what the models say. */
  async check(): Promise<void> {
    await settled();
    expect(this.ring.logged).toEqual([]);
    expect(this.ring.node.sessions.size).toBe(this.players.length);
    for (const app of [0, 1] as const) {
      this.#checkMarks(app);
      await this.#checkCounts(app);
      await this.#checkUsers(app);
      this.#checkBeliefs(app);
    }
  }

  /** Nothing that one app's sockets were told bears the other's mark. */
  #checkMarks(app: 0 | 1): void {
    const foreign = MARKS[1 - app]!;
    for (const player of [...this.players, ...this.#gone]) {
      if (player.app !== app) continue;
      for (const text of player.client.raw) {
        if (text.includes(foreign))
          throw new Error(`A socket of app ${APPS[app].id} was told ${text}`);
        expect(typeof (JSON.parse(text) as { event: unknown }).event).toBe("string");
      }
    }
  }

  async #checkCounts(app: 0 | 1): Promise<void> {
    const { id } = APPS[app];
    const sockets = new Map<string, number>();
    const users = new Map<string, Set<string>>();
    for (const { model, app: of } of this.players) {
      if (of !== app) continue;
      for (const [channel, user] of model.subscriptions) {
        sockets.set(channel, (sockets.get(channel) ?? 0) + 1);
        if (!users.has(channel)) users.set(channel, new Set());
        if (user !== undefined) users.get(channel)!.add(user);
      }
    }
    const told = new Map(
      (await this.ring.roster.channels(id, "")).map(({ channel, ...numbers }) => [
        channel,
        numbers,
      ]),
    );
    const truth = new Map(
      [...sockets]
        .filter(([channel]) => !channel.startsWith(USER_CHANNEL))
        .map(([channel, subscribers]) => [
          channel,
          { subscribers, users: users.get(channel)!.size },
        ]),
    );
    expect(sorted(told)).toEqual(sorted(truth));
    for (const [channel, ids] of users) {
      const { members } = await this.ring.roster.channel(id, channel);
      expect(members.map(({ userId }) => userId).toSorted()).toEqual([...ids].toSorted());
    }
    const local = this.ring.node.tenants.get(id)!.channels;
    for (const [channel, count] of sockets) {
      // Watchers are subscribers of channels that no client can name.
      expect(local.get(channel)?.subscribers).toBe(count);
    }
    expect(this.ring.node.sessions.ofApp(id).size).toBe(SOCKETS_PER_APP);
    expect(await this.ring.roster.holdConnections(id, SOCKETS_PER_APP)).toBe(SOCKETS_PER_APP);
  }

  async #checkUsers(app: 0 | 1): Promise<void> {
    const online = new Set(
      this.players.flatMap(({ model, app: of }) =>
        of === app && model.user !== undefined ? [model.user] : [],
      ),
    );
    const asked = [...new Set([...USERS, ...online])];
    expect(await this.ring.roster.online(APPS[app].id, asked)).toEqual(
      asked.filter((id) => online.has(id)),
    );
    for (const { model, client, app: of } of this.players) {
      if (of !== app) continue;
      const state = new Map<string, string>();
      for (const data of client.data("pusher_internal:watchlist_events")) {
        for (const { name, user_ids } of (
          data as { events: { name: string; user_ids: string[] }[] }
        ).events) {
          for (const id of user_ids) state.set(id, name);
        }
      }
      expect(sorted(state)).toEqual(
        sorted(new Map(model.watched.map((id) => [id, online.has(id) ? "online" : "offline"]))),
      );
    }
  }

  /** Lists and counts, as each client put them together from what it was told. */
  #checkBeliefs(app: 0 | 1): void {
    const own = this.players.filter((player) => player.app === app);
    for (const { client, model } of own) {
      const believed = new Map<string, Set<string>>();
      const counted = new Map<string, number>();
      for (const { event, channel, data } of client.frames) {
        if (channel === undefined || !event.startsWith("pusher_internal:")) continue;
        const told = JSON.parse(data as string) as {
          presence?: { ids: string[] };
          user_id?: string;
          subscription_count?: number;
        };
        if (event.endsWith(":subscription_succeeded"))
          believed.set(channel, new Set(told.presence?.ids));
        if (event.endsWith(":member_added")) believed.get(channel)!.add(told.user_id!);
        if (event.endsWith(":member_removed")) believed.get(channel)!.delete(told.user_id!);
        if (event.endsWith(":subscription_count")) counted.set(channel, told.subscription_count!);
      }
      for (const [channel, user] of model.subscriptions) {
        const there = own.filter(({ model: other }) => other.subscriptions.has(channel));
        const ids = there.map(({ model: other }) => other.subscriptions.get(channel));
        if (user !== undefined) {
          expect([...believed.get(channel)!].toSorted()).toEqual(
            [...new Set(ids as string[])].toSorted(),
          );
        } else {
          expect(believed.has(channel)).toBe(true);
          if (!channel.startsWith(USER_CHANNEL)) expect(counted.get(channel)).toBe(there.length);
        }
      }
    }
  }

  /** Everybody goes, and nothing is left of anybody. */
  async end(): Promise<void> {
    for (const { client } of this.players) client.drop();
    await settled();
    this.ring.clock.advance(10_000);
    expect(this.ring.leftovers()).toEqual(NOTHING_LEFT);
    for (const { id } of APPS) {
      expect(await this.ring.roster.channels(id, "")).toEqual([]);
      expect(await this.ring.roster.online(id, USERS)).toEqual([]);
    }
  }
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** Auth strings of every kind: right, made with what the other app has, for another socket, or no auth at all. */
export type AuthKind = "right" | "foreign" | "crossed" | "other-socket" | "wrong" | "none";
export const AUTH_KINDS: readonly AuthKind[] = [
  "right",
  "foreign",
  "crossed",
  "other-socket",
  "wrong",
  "none",
];

export function authOf(
  kind: AuthKind,
  app: 0 | 1,
  socketId: string,
  signed: string,
): string | undefined {
  const own = KEYS[app];
  const foreign = KEYS[app === 0 ? 1 : 0];
  switch (kind) {
    case "right":
      return `${own.key}:${hmac(own.secret, `${socketId}:${signed}`)}`;
    case "foreign":
      return `${foreign.key}:${hmac(foreign.secret, `${socketId}:${signed}`)}`;
    case "crossed":
      return `${own.key}:${hmac(foreign.secret, `${socketId}:${signed}`)}`;
    case "other-socket":
      return `${own.key}:${hmac(own.secret, `${socketId}0:${signed}`)}`;
    case "wrong":
      return `${own.key}:${"0".repeat(64)}`;
    case "none":
      return undefined;
  }
}
