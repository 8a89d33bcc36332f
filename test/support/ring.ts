import { admit } from "../../src/channels/admission.ts";
import { Api } from "../../src/channels/api/router.ts";
import { applyAppChange } from "../../src/channels/app-changes.ts";
import { fanOut } from "../../src/channels/fan-out.ts";
import { Gateway } from "../../src/channels/gateway.ts";
import { Healing } from "../../src/channels/healing.ts";
import { Liveness } from "../../src/channels/liveness.ts";
import { Node } from "../../src/channels/node.ts";
import type { Bus } from "../../src/channels/ports/bus.ts";
import type { Cache } from "../../src/channels/ports/cache.ts";
import type { Log } from "../../src/channels/ports/log.ts";
import type { Roster } from "../../src/channels/ports/roster.ts";
import type { Session } from "../../src/channels/session.ts";
import type { ChannelsSettings } from "../../src/channels/settings.ts";
import { SlowReaders } from "../../src/channels/slow-readers.ts";
import type { App, AppKey } from "../../src/protocol/app.ts";
import { FileAppStore } from "../../src/stores/file/app-store.ts";
import { MemoryBus } from "../../src/stores/memory/bus.ts";
import { MemoryCache } from "../../src/stores/memory/cache.ts";
import { MemoryRoster } from "../../src/stores/memory/roster.ts";
import { testApp } from "./apps.ts";
import { EventTape } from "./event-tape.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeSocket, FakeTopics } from "./fake-sockets.ts";
import { channelAuth, encodeQuery, signedQuery, userAuth } from "./signing.ts";

export const TEST_SETTINGS: ChannelsSettings = {
  maxConnections: 1_000_000,
  pathPrefix: "",
  trustedHops: 0,
  websocket: {
    activityTimeoutMs: 120_000,
    pingAfterMs: 45_000,
    pongTimeoutMs: 30_000,
    inactivityTimeoutMs: 86_400_000,
    authorizationTimeoutMs: 30_000,
    maxFrameBytes: 65_536,
    sendQueueBytes: 1_048_576,
  },
  http: { maxBodyBytes: 1_048_576 },
};

export interface Frame {
  readonly event: string;
  readonly channel?: string;
  readonly data?: unknown;
  readonly user_id?: string;
}

export interface LogEntry {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: object;
  readonly message: string;
}

/** Everything that was under way in memory has happened. Nothing waits: one turn of the event loop suffices. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface RingOptions {
  readonly apps?: readonly App[];
  readonly settings?: Partial<ChannelsSettings>;
  readonly clock?: FakeClock;
  readonly bus?: (inner: Bus) => Bus;
  readonly roster?: (inner: Roster, clock: FakeClock) => Roster;
  readonly cache?: (inner: Cache) => Cache;
}

export interface ConnectOptions {
  readonly app?: App;
  readonly key?: AppKey;
  readonly protocol?: string;
  readonly secure?: boolean;
  readonly origin?: string | null;
  readonly lingering?: boolean;
}

export interface CallOptions {
  readonly app?: App;
  readonly key?: AppKey;
  readonly query?: readonly (readonly [string, string])[];
  readonly body?: string | Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly contentType: string | null;
}

/** A whole channels ring without a listener: its sockets, topics and clock belong to the test. */
export class Ring {
  readonly clock: FakeClock;
  readonly topics = new FakeTopics();
  readonly apps: FileAppStore;
  readonly node: Node;
  readonly gateway: Gateway;
  readonly liveness: Liveness;
  readonly slowReaders: SlowReaders;
  readonly healing: Healing;
  readonly api: Api;
  readonly bus: Bus;
  readonly roster: Roster;
  readonly cache: Cache;
  /** What webhooks would be made of. */
  readonly tape = new EventTape();
  readonly logged: LogEntry[] = [];

  constructor(options: RingOptions = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.apps = new FileAppStore(options.apps ?? [testApp()]);
    const bus = new MemoryBus();
    this.bus = options.bus?.(bus) ?? bus;
    const roster = new MemoryRoster(this.bus, this.clock, this.tape);
    this.roster = options.roster?.(roster, this.clock) ?? roster;
    const cache = new MemoryCache(this.clock, 1 << 24);
    this.cache = options.cache?.(cache) ?? cache;
    const node = new Node({
      settings: { ...TEST_SETTINGS, ...options.settings },
      apps: this.apps,
      bus: this.bus,
      roster: this.roster,
      cache: this.cache,
      events: this.tape,
      clock: this.clock,
      log: recorder(this.logged),
    });
    this.node = node;
    this.liveness = new Liveness(node);
    this.slowReaders = new SlowReaders(node);
    this.gateway = new Gateway(node, this.liveness, this.slowReaders);
    this.api = new Api(node);
    const receive = fanOut(node, this.topics, this.slowReaders);
    this.healing = new Healing(node, receive);
    this.bus.receive(receive);
    this.bus.onMissed((appId, channel) => this.healing.missed(appId, channel));
    this.apps.onChange((change) => applyAppChange(node, change));
    this.liveness.start();
  }

  get app(): App {
    return [...this.apps.all()][0]!;
  }

  /** A client as the runtime would hand it over; what it was told so far stands in its frames. */
  open(options: ConnectOptions = {}): Client {
    const app = options.app ?? this.app;
    const key = options.key ?? app.keys[0]!;
    const socket = new FakeSocket(this.topics, options.lingering);
    const admission = admit(this.node, {
      path: `/app/${key.key}`,
      query: [["protocol", options.protocol ?? "7"]],
      secure: options.secure ?? false,
      origin: options.origin ?? null,
    });
    const client = new Client(
      this,
      socket,
      "session" in admission ? admission.session : undefined,
      key,
    );
    if ("session" in admission) {
      const { session } = admission;
      socket.onClose = (code) => this.gateway.closed(session, code);
      this.gateway.open(socket, session);
    } else this.gateway.refuse(socket, admission.refusal);
    return client;
  }

  /** A client that has its socket id; its frames start behind `connection_established`. */
  async connect(options: ConnectOptions = {}): Promise<Client> {
    const client = this.open(options);
    await settled();
    client.take();
    return client;
  }

  async connectMany(count: number, options: ConnectOptions = {}): Promise<Client[]> {
    const clients = Array.from({ length: count }, () => this.open(options));
    await settled();
    for (const client of clients) client.take();
    return clients;
  }

  /** A signed API request. `path` is what follows `/apps/<id>`. */
  call(method: "GET" | "POST", path: string, options: CallOptions = {}): Promise<Answer> {
    const app = options.app ?? this.app;
    const key = options.key ?? app.keys[0]!;
    const whole = `/apps/${app.id}${path}`;
    const body = options.body ?? "";
    const query = signedQuery(
      key,
      { method, path: whole, query: options.query ?? [], body },
      this.clock.now(),
    );
    return this.callUnsigned(method, whole, encodeQuery(query), body);
  }

  async callUnsigned(
    method: string,
    path: string,
    query: string,
    body: string | Uint8Array = "",
  ): Promise<Answer> {
    // The API takes path and query as they were sent, which no URL here could hold.
    const request = new Request("http://ring.test/", {
      method,
      ...(method === "GET" || method === "HEAD" ? {} : { body }),
    });
    const response = await this.api.handle(request, path, query);
    return {
      status: response.status,
      text: await response.text(),
      contentType: response.headers.get("content-type"),
    };
  }

  publish(
    channel: string,
    event = "e",
    data = "d",
    extra: object = {},
    options: CallOptions = {},
  ): Promise<Answer> {
    return this.call("POST", "/events", {
      ...options,
      body: JSON.stringify({ name: event, data, channel, ...extra }),
    });
  }

  /** Nothing is held for anybody. What stays of an app are its counters. */
  leftovers(): object {
    const tenants = [...this.node.tenants.values()];
    return {
      sessions: this.node.sessions.size,
      topics: this.topics.topics,
      channels: tenants.flatMap((tenant) => [...tenant.channels.keys()]),
      quota: tenants.reduce((sum, tenant) => sum + tenant.quotaConnections, 0),
      appsWithSessions: tenants.filter((tenant) => this.node.sessions.ofApp(tenant.id).size > 0)
        .length,
    };
  }
}

export const NOTHING_LEFT = {
  sessions: 0,
  topics: [],
  channels: [],
  quota: 0,
  appsWithSessions: 0,
};

export function recorder(entries: LogEntry[]): Log {
  const at = (level: LogEntry["level"]) => (fields: object, message: string) => {
    entries.push({ level, fields, message });
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export interface SubscribeOptions {
  readonly channelData?: string;
  readonly auth?: string;
}

/** The other end of one socket. */
export class Client {
  readonly ring: Ring;
  readonly socket: FakeSocket;
  readonly key: AppKey;
  readonly #session: Session | undefined;

  constructor(ring: Ring, socket: FakeSocket, session: Session | undefined, key: AppKey) {
    this.ring = ring;
    this.socket = socket;
    this.#session = session;
    this.key = key;
  }

  get session(): Session {
    if (this.#session === undefined) throw new Error("This client was refused.");
    return this.#session;
  }

  get id(): string {
    return this.session.socketId;
  }

  get closed(): { readonly code: number; readonly reason: string } | undefined {
    return this.socket.closedWith;
  }

  get raw(): readonly string[] {
    return this.socket.received;
  }

  get frames(): Frame[] {
    return this.socket.received.map((text) => JSON.parse(text) as Frame);
  }

  get events(): string[] {
    return this.frames.map(({ event }) => event);
  }

  /** The messages of the `pusher:error` frames. */
  get errors(): string[] {
    return this.frames
      .filter(({ event }) => event === "pusher:error")
      .map(({ data }) => (data as { message: string }).message);
  }

  /** The data of the frames with this event, decoded. */
  data(event: string): unknown[] {
    return this.frames
      .filter((frame) => frame.event === event)
      .map(({ data }) => (typeof data === "string" ? (JSON.parse(data) as unknown) : data));
  }

  /** Forgets what was received so far, and answers it. */
  take(): string[] {
    return this.socket.received.splice(0);
  }

  sendRaw(text: string): void {
    this.ring.gateway.receive(this.session, text);
  }

  send(message: object): void {
    this.sendRaw(JSON.stringify(message));
  }

  /** Signs by itself where the channel asks for it. */
  subscribe(channel: string, { channelData, auth }: SubscribeOptions = {}): void {
    const isSigned = channel.startsWith("private-") || channel.startsWith("presence-");
    const made = auth ?? (isSigned ? channelAuth(this.key, this.id, channel, channelData) : "");
    this.send({
      event: "pusher:subscribe",
      data: { channel, auth: made, channel_data: channelData },
    });
  }

  /** Subscribes to a presence channel as this user. */
  enter(channel: string, userId: string, info?: object): void {
    this.subscribe(channel, { channelData: JSON.stringify({ user_id: userId, user_info: info }) });
  }

  unsubscribe(channel: string): void {
    this.send({ event: "pusher:unsubscribe", data: { channel } });
  }

  signIn(userId: string, more: object = {}): void {
    const userData = JSON.stringify({ id: userId, ...more });
    this.send({
      event: "pusher:signin",
      data: { auth: userAuth(this.key, this.id, userData), user_data: userData },
    });
  }

  trigger(channel: string, event: string, data: unknown): void {
    this.send({ event, channel, data });
  }

  /** The client goes without a word. */
  drop(): void {
    this.socket.gone();
  }

  /** The client says goodbye. */
  leave(): void {
    this.socket.gone(1000);
  }
}
