import { isPresenceChannel, isPrivateChannel, userChannel } from "../../protocol/channel-name.ts";
import { channelSigningText, sign, userSigningText } from "../../protocol/signature.ts";
import { CommandFailure } from "./command-failure.ts";
import { Connection } from "./connection.ts";
import type { ReceivedEvent } from "./event-line.ts";
import { asObject, type ServerMessage } from "./live-socket.ts";
import { printable } from "./printable.ts";
import { signingCredentials, type Target } from "./target.ts";

/** What to subscribe to, and as whom. */
export interface SubscriberOptions {
  readonly channels: readonly string[];
  /** Who one is on presence channels, and who signs in. */
  readonly userId: string;
  /** JSON of the user's `user_info`; undefined for none. */
  readonly userInfo: unknown;
  /** Sign in as that user, which subscribes to the user's own channel too. */
  readonly signIn: boolean;
}

export interface SubscriberHandlers {
  received(event: ReceivedEvent): void;
  note(text: string): void;
}

/**
 * Subscribes to channels over one connection, again whenever that comes back, and hands over all that comes.
 *
 * It signs for itself what a page would have its application sign (contract 3). The protocol's own events have the names
 * under which pusher-js hands them out: `pusher:member_added` for `pusher_internal:member_added`.
 */
export class Subscriber {
  readonly #target: Target;
  readonly #options: SubscriberOptions;
  readonly #handlers: SubscriberHandlers;
  readonly #connection: Connection;
  /** What the server has not said yes to: channels, and `SIGN_IN`. */
  readonly #pending = new Set<string>();
  #socketId = "";
  #refusal: CommandFailure | undefined;

  constructor(target: Target, options: SubscriberOptions, handlers: SubscriberHandlers) {
    this.#target = target;
    this.#options = options;
    this.#handlers = handlers;
    if (options.signIn || options.channels.some(isPrivateChannel)) signingCredentials(target);
    this.#connection = new Connection(target, {
      connected: (socketId) => this.#connected(socketId),
      received: (message) => this.#received(message),
      note: (text) => handlers.note(text),
    });
  }

  /** Resolves when it was closed; throws `CommandFailure` when the server refuses what was asked. */
  async run(): Promise<void> {
    await this.#connection.run();
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  close(): void {
    this.#connection.close();
  }

  #connected(socketId: string): void {
    this.#handlers.note(`connected to ${this.#target.socketUrl} as socket ${socketId}`);
    this.#socketId = socketId;
    this.#pending.clear();
    if (this.#options.signIn) this.#signIn();
    for (const channel of this.#options.channels) this.#subscribe(channel);
  }

  #signIn(): void {
    const { userId, userInfo } = this.#options;
    const { key, secret } = signingCredentials(this.#target);
    const userData = JSON.stringify({ id: userId, user_info: userInfo });
    this.#pending.add(SIGN_IN);
    this.#connection.send("pusher:signin", {
      auth: `${key}:${sign(secret, userSigningText(this.#socketId, userData))}`,
      user_data: userData,
    });
  }

  #subscribe(channel: string): void {
    this.#pending.add(channel);
    if (!isPrivateChannel(channel)) {
      return this.#connection.send("pusher:subscribe", { channel, auth: "" });
    }
    const { userId, userInfo } = this.#options;
    const { key, secret } = signingCredentials(this.#target);
    const channelData = isPresenceChannel(channel)
      ? JSON.stringify({ user_id: userId, user_info: userInfo })
      : undefined;
    const signature = sign(secret, channelSigningText(this.#socketId, channel, channelData));
    this.#connection.send("pusher:subscribe", {
      channel,
      auth: `${key}:${signature}`,
      channel_data: channelData,
    });
  }

  #received(message: ServerMessage): void {
    const { event, channel, data } = message;
    if (event === "pusher_internal:subscription_succeeded" && channel !== null) {
      this.#pending.delete(channel);
    }
    if (event === "pusher:signin_success") {
      this.#pending.delete(SIGN_IN);
      // As pusher-js does: the sign-in alone brings no events.
      this.#subscribe(userChannel(this.#options.userId));
    }
    if (event === "pusher:error" && this.#pending.size > 0) {
      const { code, message: said } = asObject(data);
      // Those from 4300 on are warnings: what was asked is done all the same.
      if (typeof code !== "number" || code < 4300) return this.#refused(String(said));
    }
    if (event.endsWith(":subscription_error")) {
      return this.#refused(String(asObject(data)["error"] ?? "no reason was given"));
    }
    this.#handlers.received({
      at: new Date(),
      channel,
      event: event.replace(/^pusher_internal:/, "pusher:"),
      data,
      userId: message.userId,
    });
  }

  /** The socket would stay open, but nothing would ever come of what was refused. */
  #refused(said: string): void {
    const named = [...this.#pending].filter((name) => name !== SIGN_IN && said.includes(name));
    const asked = (named.length > 0 ? named : [...this.#pending]).map((name) =>
      name === SIGN_IN ? "the sign-in" : printable(name),
    );
    const origin = /signature|key|auth/i.test(said)
      ? ` — check the app's secret; ${this.#target.credentialsOrigin}`
      : "";
    this.#refusal = new CommandFailure(
      `the server refused ${asked.join(" or ") || "a subscription"}: ${printable(said)}${origin}`,
    );
    this.#connection.close();
  }
}

/** No channel can have this name. */
const SIGN_IN = "";
