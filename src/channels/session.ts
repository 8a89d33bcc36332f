import {
  closeFrameReason,
  wantsErrorBeforeClose,
  type CloseReason,
} from "../protocol/close-codes.ts";
import { errorFrame } from "../protocol/frames.ts";
import type { User } from "../protocol/identity.ts";
import type { Socket } from "./ports/socket.ts";
import type { LocalChannel, LocalMember } from "./local-channel.ts";
import type { Tenant } from "./tenant.ts";
import type { TokenBucket } from "./token-bucket.ts";

/** One subscription of one socket. */
export interface Subscription {
  readonly channel: LocalChannel;
  /** Who the socket is on a presence channel. */
  readonly member: LocalMember | undefined;
}

/** Messages that may wait: twice the default limit of subscriptions, which a page may well send in one go. */
const FLOOD_TASKS = 10_000;

/**
 * One connection of a client, and all that this node remembers of it.
 *
 *   opening ──▶ open ──▶ closing ──▶ closed
 *      └───────────────────▲
 *
 *   opening  the socket is accepted; quota and Roster are being asked. The client has been told nothing.
 *   open     the client has its socket id; its messages are worked on.
 *   closing  we have sent the close frame. What still arrives is dropped.
 *   closed   the socket is gone. Whatever it held is withdrawn by the last task of its queue.
 *
 * Messages of one socket are worked on one after the other, each to its end, although a store may take its time: a
 * client's subscribe and the unsubscribe behind it never overtake each other, and the withdrawal on close comes last.
 */
export class Session {
  readonly number: number;
  readonly socketId: string;
  readonly tenant: Tenant;
  /** The key it connected with: when that key is deactivated, the socket goes. */
  readonly key: string;
  readonly protocol: number;
  readonly secure: boolean;
  readonly origin: string | null;
  /** Set when the handshake is done, before anything else happens. */
  socket!: Socket;
  /** Which of the listener's servers it is connected to. */
  server = "";
  state: "opening" | "open" | "closing" | "closed" = "opening";
  /** By channel name. Most sockets that only wait have few: made when first needed. */
  subscriptions: Map<string, Subscription> | undefined;
  user: User | undefined;
  /** The channels about the users it watches. */
  watching: readonly LocalChannel[] | undefined;
  clientEventRate: TokenBucket | undefined;
  /** Whether it counts towards the app's quota; an unauthorized one does not where authorization is asked for. */
  countsTowardsQuota = false;
  /** When it must have been authorized, in the clock's elapsed time; undefined when it need not, or is. */
  authorizeByMs: number | undefined;
  /** When something last came from the client. Any frame is a sign of life. */
  lastHeardMs: number;
  /** When the client last sent a message, which a WebSocket pong is not. */
  lastSpokeMs: number;
  /** When we asked for a sign of life that has not come yet. */
  pingedAtMs: number | undefined;
  /** Seen with a send queue that did not empty. If it goes now, it went for being slow. */
  pressed = false;
  #waiting: (() => Promise<void>)[] | undefined;

  constructor(init: {
    number: number;
    socketId: string;
    tenant: Tenant;
    key: string;
    protocol: number;
    secure: boolean;
    origin: string | null;
    elapsedMs: number;
  }) {
    this.number = init.number;
    this.socketId = init.socketId;
    this.tenant = init.tenant;
    this.key = init.key;
    this.protocol = init.protocol;
    this.secure = init.secure;
    this.origin = init.origin;
    this.lastHeardMs = init.elapsedMs;
    this.lastSpokeMs = init.elapsedMs;
  }

  get isLive(): boolean {
    return this.state === "opening" || this.state === "open";
  }

  send(frame: string): void {
    if (!this.isLive) return;
    const sent = this.socket.sendText(frame);
    if (sent > 0) return;
    this.pressed = true;
    // Dropped, for the queue is full: what follows would have a hole before it.
    if (sent === 0) this.terminate();
  }

  /** Tells the client of a fault; the socket stays. */
  sendError(code: number | null, message: string): void {
    this.tenant.counters.errorsSent++;
    this.send(errorFrame(code, message));
  }

  /** Sends the close frame, after what is queued. Later calls change nothing. */
  close(reason: CloseReason): void {
    if (!this.isLive) return;
    if (wantsErrorBeforeClose(this.protocol)) this.send(errorFrame(reason.code, reason.text));
    this.state = "closing";
    this.socket.close(reason.code, closeFrameReason(reason.text));
  }

  /** Cuts the connection without a word: for a peer that does not read. */
  terminate(): void {
    if (!this.isLive) return;
    this.state = "closing";
    this.socket.terminate();
  }

  /** More of its messages wait than a client has reason to send before it got an answer. */
  get isFlooded(): boolean {
    return this.#waiting !== undefined && this.#waiting.length >= FLOOD_TASKS;
  }

  /**
   * Runs the task after all earlier ones of this socket; a task sees to its own errors. The first of a burst runs at
   * once, in the caller's turn, so that a store in memory costs no detour.
   */
  enqueue(task: () => Promise<void>): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(task);
      return;
    }
    this.#waiting = [];
    void this.#drain(task());
  }

  async #drain(running: Promise<void>): Promise<void> {
    const waiting = this.#waiting!;
    await running;
    for (let i = 0; i < waiting.length; i++) await waiting[i]!();
    this.#waiting = undefined;
  }
}
