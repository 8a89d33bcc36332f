import { CLOSE } from "../protocol/close-codes.ts";
import { PING_FRAME } from "../protocol/frames.ts";
import type { Node } from "./node.ts";
import type { Session } from "./session.ts";
import { TimerWheel } from "./timer-wheel.ts";

/** The first version whose clients answer `pusher:ping`. */
const FIRST_PROTOCOL_WITH_PING = 5;
const TURN_INTERVAL_MS = 1_000;

/**
 * Finds sockets whose client is gone without a word, and those that did not say in time who they are.
 *
 * A client that has been silent for `pingAfterMs` is asked for a sign of life, and closed with 4201 when none comes within
 * `pongTimeoutMs`. What we send to it counts for nothing: a dead peer takes it too, into buffers. Clients older than
 * protocol 5 are asked with a WebSocket ping; as those answer without the application, such a client is closed with 4202
 * when it has sent nothing of its own for `inactivityTimeoutMs`.
 */
export class Liveness {
  readonly #node: Node;
  readonly #wheel: TimerWheel<Session>;
  #cancel: (() => void) | undefined;

  constructor(node: Node) {
    this.#node = node;
    this.#wheel = new TimerWheel(node.clock.elapsedMs());
  }

  start(): void {
    this.#cancel = this.#node.clock.after(TURN_INTERVAL_MS, () => {
      // First, so that a fault in one look does not end all later ones.
      this.start();
      this.#wheel.turn(this.#node.clock.elapsedMs(), (session) => this.#check(session));
    });
  }

  close(): void {
    this.#cancel?.();
  }

  watch(session: Session): void {
    this.#wheel.set(session, this.#nextLook(session));
  }

  forget(session: Session): void {
    this.#wheel.delete(session);
  }

  #check(session: Session): void {
    if (!session.isLive) return;
    const now = this.#node.clock.elapsedMs();
    if (session.authorizeByMs !== undefined && now >= session.authorizeByMs) {
      if (session.tenant.app.authorizedConnections) return session.close(CLOSE.notAuthorizedInTime);
      session.authorizeByMs = undefined;
    }
    const { pingAfterMs, pongTimeoutMs, inactivityTimeoutMs } = this.#node.settings.websocket;
    if (
      session.protocol < FIRST_PROTOCOL_WITH_PING &&
      now - session.lastSpokeMs >= inactivityTimeoutMs
    ) {
      return session.close(CLOSE.inactive);
    }
    if (session.pingedAtMs !== undefined) {
      if (now - session.pingedAtMs >= pongTimeoutMs) return session.close(CLOSE.pongNotReceived);
    } else if (now - session.lastHeardMs >= pingAfterMs) {
      session.pingedAtMs = now;
      if (session.protocol < FIRST_PROTOCOL_WITH_PING) session.socket.ping();
      else session.send(PING_FRAME);
    }
    this.watch(session);
  }

  #nextLook(session: Session): number {
    const { pingAfterMs, pongTimeoutMs } = this.#node.settings.websocket;
    const next =
      session.pingedAtMs === undefined
        ? session.lastHeardMs + pingAfterMs
        : session.pingedAtMs + pongTimeoutMs;
    return Math.min(next, session.authorizeByMs ?? next);
  }
}
