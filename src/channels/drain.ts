import { CLOSE } from "../protocol/close-codes.ts";
import type { Node } from "./node.ts";

const TICK_MS = 50;
/** For a peer that reads slowly, or does not answer the close frame, beyond the window. */
export const CLOSE_GRACE_MS = 1_000;

/** What a process that stood still closes at once, so that nobody sees more than half a second's share too many. */
const MAX_LAG_MS = 500;

/**
 * How many sockets to close when, so that they go evenly and the last goes when the window ends: a few as well as many,
 * and also where the ticks come late. Whatever was not closed in its time is spread over the rest of the window.
 */
export class DrainPace {
  #leftMs: number;
  /** What is due and not a whole socket yet. */
  #due = 0;

  constructor(windowMs: number) {
    this.#leftMs = windowMs;
  }

  /** Of those that remain, to be closed now. */
  share(remaining: number, windowLeftMs: number): number {
    const passedMs = Math.min(this.#leftMs - windowLeftMs, MAX_LAG_MS);
    this.#leftMs = windowLeftMs;
    if (windowLeftMs <= 0) return remaining;
    this.#due += (remaining * passedMs) / (windowLeftMs + passedMs);
    const share = Math.min(remaining, Math.floor(this.#due));
    this.#due -= share;
    return share;
  }
}

export interface DrainProgress {
  readonly socketsLeft: number;
  readonly windowLeftMs: number;
}

/**
 * Closes all sockets with 4200, evenly over the window, oldest first.
 *
 * pusher-js comes back at once and without jitter after a 4200, so the spread has to come from here. Sockets that open
 * meanwhile (a load balancer that has not noticed, or there is none) are served until the window ends: turning them away
 * or closing them sooner would only send them round in circles. By then nobody must listen any more, or they would be
 * back before the last has gone.
 *
 * A socket whose queue holds something waits until that is sent, for a moment beyond the window at most: the runtime
 * calls a socket closed when the close frame is behind the queue, and the process would end and cut both off. Resolves
 * when no socket is left.
 */
export async function drainSockets(
  node: Node,
  windowMs: number,
  onProgress: (progress: DrainProgress) => void,
): Promise<void> {
  const { clock, sessions } = node;
  const endsAtMs = clock.elapsedMs() + windowMs;
  const pace = new DrainPace(windowMs);
  let waiting = [...sessions.all()];
  while (sessions.size > 0) {
    waiting = waiting.filter((session) => session.isLive);
    const windowLeftMs = endsAtMs - clock.elapsedMs();
    if (windowLeftMs <= 0) waiting = [...sessions.all()];
    let left = pace.share(waiting.length, windowLeftMs);
    for (const session of waiting) {
      if (left === 0) break;
      if (session.socket.getBufferedAmount() > 0) continue;
      session.close(CLOSE.reconnect);
      left--;
    }
    await new Promise<void>((resolve) => clock.after(TICK_MS, resolve));
    onProgress({
      socketsLeft: sessions.size,
      windowLeftMs: Math.max(0, endsAtMs - clock.elapsedMs()),
    });
    // A peer that does not read, or does not answer the close frame, would keep its socket for ever.
    if (clock.elapsedMs() >= endsAtMs + CLOSE_GRACE_MS)
      for (const session of sessions.all()) session.socket.terminate();
  }
}
