import type { TestApp } from "../../e2e/support/apps.ts";
import { RawClient, RawWebSocket } from "../../e2e/support/raw-web-socket.ts";
import { pause } from "../../e2e/support/wait.ts";
import { TICK } from "./publisher.ts";

/** What pusher-js waits after a close that is none of 4200 to 4299, or when nobody was there. */
const RETRY_MS = 1_000;

export interface ResidentPlan {
  readonly app: TestApp;
  /** Where it dials, each time anew. */
  readonly port: number;
  readonly channels: readonly string[];
  /** Who it is on presence channels. */
  readonly userId?: string;
}

/** One connection, from the greeting to its end. */
export interface Life {
  /** By channel, when the server said that it is on it. */
  readonly joinedAtMs: ReadonlyMap<string, number>;
  /** By channel, the numbers of what was published there, as they came. */
  readonly heard: ReadonlyMap<string, readonly number[]>;
  /** When it was told of it; undefined while it lasts. */
  readonly end: { readonly atMs: number; readonly code: number } | undefined;
}

/**
 * A socket that stays on its channels whatever becomes of the servers. It comes back as pusher-js does: after a 4200 at
 * once and without jitter. Many of them cost little, pusher-js itself costs more.
 */
export class Resident {
  readonly channels: readonly string[];
  readonly userId: string | undefined;
  /** When it dialled, the first time included. */
  readonly dialledAtMs: number[] = [];
  readonly lives: Life[] = [];
  readonly #app: TestApp;
  readonly #port: number;
  readonly #living: Promise<void>;
  #socket: RawWebSocket | undefined;
  #isToLeave = false;
  #isToLeaveSoon = false;

  constructor({ app, port, channels, userId }: ResidentPlan) {
    this.#app = app;
    this.#port = port;
    this.channels = channels;
    this.userId = userId;
    this.#living = this.#live();
  }

  /** The server has said that it is on all of its channels. */
  get isThere(): boolean {
    const life = this.lives.at(-1);
    return life?.end === undefined && life?.joinedAtMs.size === this.channels.length;
  }

  get hasLeft(): boolean {
    return this.#isToLeave || this.#isToLeaveSoon;
  }

  /** How long it was off its channels, in its own eyes: by channel, each time. */
  *absences(): Generator<{ readonly channel: string; readonly ms: number }> {
    let end: Life["end"];
    for (const life of this.lives) {
      if (end !== undefined)
        for (const channel of this.channels) {
          const backAtMs = life.joinedAtMs.get(channel) ?? Number.POSITIVE_INFINITY;
          yield { channel, ms: backAtMs - end.atMs };
        }
      end = life.end;
    }
  }

  /** Goes for good when the server closes it the next time. */
  leaveWhenClosed(): void {
    this.#isToLeaveSoon = true;
  }

  /** Ends the connection without a word. */
  async leave(): Promise<void> {
    this.#isToLeave = true;
    this.#socket?.destroy();
    await this.#living;
  }

  async #live(): Promise<void> {
    while (!this.#isToLeave) {
      this.dialledAtMs.push(performance.now());
      const client = await this.#dial();
      if (client === undefined) {
        await pause(RETRY_MS);
        continue;
      }
      const code = await this.#stay(client);
      if (this.#isToLeaveSoon) return;
      if (code < 4_200 || code > 4_299) await pause(RETRY_MS);
    }
  }

  /** Undefined where nobody is there, or goes meanwhile. */
  async #dial(): Promise<RawClient | undefined> {
    try {
      const socket = await RawWebSocket.open({ port: this.#port, key: this.#app.key });
      const gone = socket.closed.then(() => undefined);
      const greeting = await Promise.race([socket.data("pusher:connection_established"), gone]);
      if (greeting === undefined) return undefined;
      const { socket_id: socketId } = greeting as { socket_id: string };
      return new RawClient(socket, socketId, this.#app);
    } catch {
      return undefined;
    }
  }

  async #stay(client: RawClient): Promise<number> {
    const { socket } = client;
    this.#socket = socket;
    const joinedAtMs = new Map<string, number>();
    const heard = new Map(this.channels.map((channel): [string, number[]] => [channel, []]));
    const place = this.lives.push({ joinedAtMs, heard, end: undefined }) - 1;
    socket.messages.each(({ event, channel = "", data }) => {
      if (event === "pusher_internal:subscription_succeeded")
        joinedAtMs.set(channel, performance.now());
      else if (event === TICK) heard.get(channel)?.push(Number(data));
    });
    for (const channel of this.channels) {
      const member = channel.startsWith("presence-") ? { user_id: this.userId } : undefined;
      client.askToSubscribe(channel, member);
    }
    if (this.#isToLeave) socket.destroy();
    const { toldAtMs: atMs, code } = await socket.closed;
    this.lives[place] = { joinedAtMs, heard, end: { atMs, code } };
    return code;
  }
}
