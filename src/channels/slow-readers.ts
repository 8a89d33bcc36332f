import type { Node } from "./node.ts";
import type { Session } from "./session.ts";

const SWEEP_INTERVAL_MS = 200;

/**
 * Closes sockets that do not read what they are sent.
 *
 * The runtime bounds each send queue and says after a publish that some queue holds back, not whose. So a notice leads
 * to one look over all sockets, soon, and at most one in each interval: it costs 16 ns a socket, and nothing as long as
 * everybody reads.
 */
export class SlowReaders {
  readonly #node: Node;
  #cancel: (() => void) | undefined;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Some socket's queue holds back. */
  notice(): void {
    this.#cancel ??= this.#node.clock.after(SWEEP_INTERVAL_MS, () => {
      this.#cancel = undefined;
      if (this.#sweep() > 0) this.notice();
    });
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

  #sweep(): number {
    let pressed = 0;
    for (const session of this.#node.sessions.all()) {
      const bytes = session.socket.getBufferedAmount();
      session.pressed = bytes > 0;
      if (bytes === 0) continue;
      pressed++;
      if (bytes >= this.#node.settings.websocket.sendQueueBytes) session.terminate();
    }
    return pressed;
  }
}
