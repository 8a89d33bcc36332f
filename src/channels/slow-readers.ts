import type { Node } from "./node.ts";
import type { Session } from "./session.ts";

const SWEEP_INTERVAL_MS = 200;

/**
 * Closes sockets that do not read what they are sent.
 *
 * The runtime bounds each send queue and says after a publish that some queue holds back, not whose. So a notice leads
 * to a look over all sockets: at once, then in each interval, and whenever half of what a queue holds has been held back
 * since the last look, for a flood fills a queue faster than an interval passes. It costs 16 ns a socket, and nothing as
 * long as everybody reads.
 */
export class SlowReaders {
  readonly #node: Node;
  #cancel: (() => void) | undefined;
  #bytesSinceLook = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Some socket's queue holds this frame back. */
  notice(frame: string): void {
    this.#bytesSinceLook += Buffer.byteLength(frame);
    const isFirst = this.#cancel === undefined;
    // Only a look: to cut sockets off here, in the middle of a publish, would publish their leaving inside of it.
    if (isFirst || 2 * this.#bytesSinceLook >= this.#node.settings.websocket.sendQueueBytes)
      this.#look();
    if (isFirst) this.#sweepLater();
  }

  /** The runtime cut this socket off, or its client went: tells whether it was for being slow, and counts it then. */
  wasSlow(session: Session): boolean {
    if (!session.pressed) return false;
    session.tenant.counters.slowReadersClosed++;
    return true;
  }

  close(): void {
    this.#cancel?.();
  }

  #sweepLater(): void {
    this.#cancel = this.#node.clock.after(SWEEP_INTERVAL_MS, () => {
      this.#cancel = undefined;
      const pressed = this.#look();
      const limit = this.#node.settings.websocket.sendQueueBytes;
      for (const session of pressed)
        if (session.socket.getBufferedAmount() >= limit) session.terminate();
      if (pressed.length > 0) this.#sweepLater();
    });
  }

  /** Marks every socket whose queue holds something, and answers them. */
  #look(): Session[] {
    this.#bytesSinceLook = 0;
    const pressed: Session[] = [];
    for (const session of this.#node.sessions.all()) {
      session.pressed = session.socket.getBufferedAmount() > 0;
      if (session.pressed) pressed.push(session);
    }
    return pressed;
  }
}
