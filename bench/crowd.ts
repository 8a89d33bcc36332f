import type { Socket } from "bun";
import { CREDENTIALS } from "./pusher-api.ts";

const HANDSHAKE_END = "\r\n\r\n";
const TEXT_FRAME = 0x81;
const MASKED = 0x80;

/** What a crowd is told of: a frame that is no answer to what it asked itself. */
export type OnDelivery = (payload: Buffer) => void;

interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
}

/** WebSockets in this program that cost little: nothing of a frame is read but what kind it is. */
export class Crowd {
  readonly #members: Member[] = [];
  readonly #onDelivery: OnDelivery;
  #established = 0;
  #subscribed = 0;
  #waiters: { readonly of: () => number; readonly waiter: Waiter }[] = [];

  private constructor(onDelivery: OnDelivery) {
    this.#onDelivery = onDelivery;
  }

  static async open(port: number, sockets: number, onDelivery: OnDelivery): Promise<Crowd> {
    const crowd = new Crowd(onDelivery);
    for (let i = 0; i < sockets; i++) {
      const member: Member = new Member((payload) => crowd.#hear(member, payload));
      crowd.#members.push(member);
      await member.connect(port);
    }
    await crowd.#until(() => crowd.#established, sockets);
    return crowd;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Each to channels of its own; resolves when all are there. */
  async subscribe(channelsOf: (member: number) => readonly string[]): Promise<void> {
    let asked = 0;
    for (const [i, member] of this.#members.entries()) {
      for (const channel of channelsOf(i)) {
        member.say("pusher:subscribe", { channel });
        asked++;
      }
    }
    await this.#until(() => this.#subscribed, this.#subscribed + asked);
  }

  unsubscribe(channelsOf: (member: number) => readonly string[]): void {
    for (const [i, member] of this.#members.entries())
      for (const channel of channelsOf(i)) member.say("pusher:unsubscribe", { channel });
  }

  close(): void {
    for (const member of this.#members) member.close();
  }

  #until(of: () => number, count: number): Promise<void> {
    if (of() >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ of, waiter: { count, resolve } }));
  }

  #hear(member: Member, payload: Buffer): void {
    const event = payload.toString("latin1", 10, 48);
    if (event.startsWith("pusher:connection_established")) this.#established++;
    else if (event.startsWith("pusher_internal:subscription_succeeded")) this.#subscribed++;
    else if (event.startsWith("pusher:ping")) member.say("pusher:pong", {});
    else if (event.startsWith("pusher:error")) throw new Error(payload.toString());
    else if (!event.startsWith("pusher")) return this.#onDelivery(payload);
    this.#waiters = this.#waiters.filter(({ of, waiter: { count, resolve } }) => {
      if (of() < count) return true;
      resolve();
      return false;
    });
  }
}

class Member {
  readonly #hear: (payload: Buffer) => void;
  #socket: Socket | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #isUpgraded = false;

  constructor(hear: (payload: Buffer) => void) {
    this.#hear = hear;
  }

  async connect(port: number): Promise<void> {
    this.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data: (_, piece) => this.#take(Buffer.from(piece)) },
    });
    this.#socket.write(
      `GET /app/${CREDENTIALS.key}?protocol=7 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n` +
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
  }

  say(event: string, data: object): void {
    const text = Buffer.from(JSON.stringify({ event, data }));
    if (text.length > 125) throw new Error("longer than this needs");
    // A mask of zeros leaves the text as it is.
    const head = Buffer.from([TEXT_FRAME, MASKED | text.length, 0, 0, 0, 0]);
    this.#socket?.write(Buffer.concat([head, text]));
  }

  close(): void {
    this.#socket?.end();
  }

  #take(piece: Buffer): void {
    let bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    if (!this.#isUpgraded) {
      const end = bytes.indexOf(HANDSHAKE_END);
      if (end !== -1) {
        this.#isUpgraded = true;
        bytes = bytes.subarray(end + HANDSHAKE_END.length);
      }
    }
    let at = 0;
    while (this.#isUpgraded && bytes.length - at >= 2) {
      const short = (bytes[at + 1] ?? 0) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (bytes.length - at < head) break;
      const length =
        short < 126
          ? short
          : short === 126
            ? bytes.readUInt16BE(at + 2)
            : Number(bytes.readBigUInt64BE(at + 2));
      if (bytes.length - at < head + length) break;
      this.#hear(bytes.subarray(at + head, at + head + length));
      at += head + length;
    }
    this.#rest = bytes.subarray(at);
  }
}
