import type { Agent } from "node:http";
import type { TestContext } from "node:test";
import PusherServer from "pusher";
import Pusher, { type Channel, type Options } from "pusher-js";
import type { TestApp } from "./apps.ts";
import { Inbox } from "./inbox.ts";
import type { Message } from "./raw-web-socket.ts";
import { within } from "./wait.ts";

/**
 * pusher-js keeps timers of 15 and 30 seconds for sockets that the server closed, even after it was disconnected. They must
 * not keep the test process waiting; while a test runs, its server keeps the process alive.
 */
const LONG_TIMER_MS = 15_000;
const { setTimeout: setTimer } = globalThis;
globalThis.setTimeout = Object.assign((callback: () => void, ms?: number, ...rest: []) => {
  const timer = setTimer(callback, ms, ...rest);
  return ms !== undefined && ms >= LONG_TIMER_MS ? timer.unref() : timer;
}, setTimer);

export interface PusherClientOptions {
  readonly port: number;
  /** Who it is on presence channels, as the app's auth endpoint would say. */
  readonly member?: PusherServer.PresenceChannelData;
  /** What the app's user endpoint would sign. */
  readonly user?: PusherServer.UserChannelData;
  readonly encryptionMasterKey?: string;
  readonly options?: Partial<Options>;
}

export interface PusherJsError {
  readonly code: number | null;
  readonly message: string;
}

/** The real pusher-js, with everything that it tells kept for waiting on. */
export class PusherClient {
  readonly pusher: Pusher;
  readonly messages = new Inbox<Message>();
  readonly states = new Inbox<string>();
  readonly errors = new Inbox<PusherJsError>();

  constructor(
    app: TestApp,
    { port, member, user, encryptionMasterKey, options }: PusherClientOptions,
  ) {
    const signer = serverLibrary(app, { port, encryptionMasterKey });
    this.pusher = new Pusher(app.key, {
      cluster: "",
      wsHost: "127.0.0.1",
      wsPort: port,
      wssPort: port,
      forceTLS: false,
      enabledTransports: ["ws"],
      channelAuthorization: {
        customHandler: ({ socketId, channelName }, answer) =>
          answer(
            null,
            signer.authorizeChannel(
              socketId,
              channelName,
              channelName.startsWith("presence-") ? member : undefined,
            ),
          ),
      },
      userAuthentication: {
        customHandler: ({ socketId }, answer) =>
          user === undefined
            ? answer(new Error("this client has no user"), null)
            : answer(null, signer.authenticateUser(socketId, user)),
      },
      ...options,
    });
    this.pusher.connection.bind("message", (message: Message) => this.messages.push(message));
    this.pusher.connection.bind("state_change", ({ current }: { current: string }) =>
      this.states.push(current),
    );
    this.pusher.connection.bind(
      "error",
      ({ error, ...own }: { error?: { data: PusherJsError }; data?: PusherJsError }) => {
        const told = error?.data ?? own.data;
        if (told !== undefined) this.errors.push(told);
      },
    );
  }

  get state(): string {
    return this.pusher.connection.state;
  }

  /** Resolves with the socket id. */
  async connected(): Promise<string> {
    if (this.state !== "connected") await this.reached("connected");
    return this.pusher.connection.socket_id;
  }

  async reached(state: string): Promise<void> {
    await this.states.take(`pusher-js gets to the state ${state}`, (it) => it === state);
  }

  error(): Promise<PusherJsError> {
    return this.errors.take("an error", () => true);
  }

  /** Resolves when the channel is subscribed. */
  async subscribe(name: string): Promise<Channel> {
    const channel = this.pusher.subscribe(name);
    const done = new Promise<void>((resolve, reject) => {
      channel.bind("pusher:subscription_succeeded", () => resolve());
      channel.bind("pusher:subscription_error", (fault: { error?: string }) =>
        reject(new Error(fault.error)),
      );
    });
    await within(`subscription to ${name}; errors: ${JSON.stringify(this.errors.all)}`, done);
    return channel;
  }

  message(event: string, channel?: string): Promise<Message> {
    const what = channel === undefined ? event : `${event} on ${channel}`;
    return this.messages.take(
      what,
      (it) => it.event === event && (channel === undefined || it.channel === channel),
    );
  }

  /** What came of that name on that channel so far. */
  got(event: string, channel?: string): readonly Message[] {
    return this.messages.all.filter(
      (it) => it.event === event && (channel === undefined || it.channel === channel),
    );
  }
}

export function pusherClient(
  t: TestContext,
  app: TestApp,
  options: PusherClientOptions,
): PusherClient {
  const client = new PusherClient(app, options);
  t.after(() => client.pusher.disconnect());
  return client;
}

/** The next call of an event's handler on a pusher-js channel: bind before what causes it. */
export function nextEvent(
  channel: {
    bind(event: string, handler: (data: unknown, metadata?: { user_id?: string }) => void): unknown;
  },
  event: string,
): Promise<{ data: unknown; metadata: { user_id?: string } | undefined }> {
  const called = new Promise<{ data: unknown; metadata: { user_id?: string } | undefined }>(
    (resolve) => {
      channel.bind(event, (data, metadata) => resolve({ data, metadata }));
    },
  );
  return within(`pusher-js hands out ${event}`, called);
}

/** The real server library. */
export function serverLibrary(
  app: TestApp,
  {
    port,
    encryptionMasterKey,
    agent,
  }: {
    readonly port: number;
    readonly encryptionMasterKey?: string | undefined;
    readonly agent?: Agent;
  },
): PusherServer {
  return new PusherServer({
    appId: app.id,
    key: app.key,
    secret: app.secret,
    host: "127.0.0.1",
    port: String(port),
    useTLS: false,
    ...(agent === undefined ? {} : { agent }),
    ...(encryptionMasterKey === undefined
      ? {}
      : { encryptionMasterKeyBase64: encryptionMasterKey }),
  });
}
