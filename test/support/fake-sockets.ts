import type { Socket } from "../../src/channels/ports/socket.ts";
import type { Session } from "../../src/channels/session.ts";
import type { Topics } from "../../src/channels/topics.ts";

/** The topics of the runtime, as plain sets. */
export class FakeTopics implements Topics {
  readonly #subscribers = new Map<string, Set<FakeSocket>>();

  publish(topic: string, text: string, except: Session | undefined): number {
    return this.deliver(topic, text, except?.socket);
  }

  deliver(topic: string, text: string, except: Socket | undefined): number {
    let sent = 0;
    for (const socket of this.#subscribers.get(topic) ?? []) {
      if (socket === except) continue;
      const outcome = socket.sendText(text);
      sent = sent < 0 || outcome <= 0 ? Math.min(sent, outcome) : text.length;
    }
    return sent;
  }

  subscribe(topic: string, socket: FakeSocket): void {
    let sockets = this.#subscribers.get(topic);
    if (sockets === undefined) this.#subscribers.set(topic, (sockets = new Set()));
    sockets.add(socket);
  }

  unsubscribe(topic: string, socket: FakeSocket): void {
    const sockets = this.#subscribers.get(topic);
    sockets?.delete(socket);
    if (sockets?.size === 0) this.#subscribers.delete(topic);
  }

  forget(socket: FakeSocket): void {
    for (const topic of this.#subscribers.keys()) this.unsubscribe(topic, socket);
  }

  get topics(): string[] {
    return [...this.#subscribers.keys()];
  }
}

const ABNORMAL_CLOSURE = 1006;

/**
 * A socket whose other end is the test. As with the runtime's own, `close` and `terminate` call the close handler before
 * they return; a `lingering` one calls it when the test says so.
 */
export class FakeSocket implements Socket {
  /** Every text frame that was sent to it, in order. */
  readonly received: string[] = [];
  readonly topics: FakeTopics;
  readonly lingering: boolean;
  pings = 0;
  closedWith: { readonly code: number; readonly reason: string } | undefined;
  terminated = false;
  /** Bytes that are held back; undefined while the other end reads. */
  held: number | undefined;
  queueLimit = Number.POSITIVE_INFINITY;
  onClose: (code: number, reason: string) => void = () => undefined;
  #gone = false;

  constructor(topics: FakeTopics, lingering = false) {
    this.topics = topics;
    this.lingering = lingering;
  }

  get isOpen(): boolean {
    return this.closedWith === undefined && !this.terminated && !this.#gone;
  }

  sendText(text: string): number {
    if (!this.isOpen) return 0;
    if (this.held !== undefined) {
      if (this.held + text.length > this.queueLimit) return 0;
      this.held += text.length;
      this.received.push(text);
      return -1;
    }
    this.received.push(text);
    return text.length;
  }

  publishText(topic: string, text: string): number {
    return this.topics.deliver(topic, text, this);
  }

  subscribe(topic: string): void {
    if (this.isOpen) this.topics.subscribe(topic, this);
  }

  unsubscribe(topic: string): void {
    this.topics.unsubscribe(topic, this);
  }

  ping(): void {
    this.pings++;
  }

  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.closedWith = { code, reason };
    this.topics.forget(this);
    if (!this.lingering) this.gone(code, reason);
  }

  terminate(): void {
    if (this.#gone) return;
    this.terminated = true;
    this.topics.forget(this);
    if (!this.lingering) this.gone(ABNORMAL_CLOSURE, "");
  }

  getBufferedAmount(): number {
    return this.held ?? 0;
  }

  /** The connection ends: by the other end, or as the end of our close. */
  gone(code = ABNORMAL_CLOSURE, reason = ""): void {
    if (this.#gone) return;
    this.#gone = true;
    this.topics.forget(this);
    this.onClose(code, reason);
  }
}
