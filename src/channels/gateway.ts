import {
  CLOSE,
  closeFrameReason,
  unknownKey,
  wantsErrorBeforeClose,
} from "../protocol/close-codes.ts";
import { parseClientMessage, type ClientMessage } from "../protocol/client-message.ts";
import { PONG_FRAME, connectionEstablishedFrame, errorFrame } from "../protocol/frames.ts";
import type { Refusal } from "./admission.ts";
import { admitToQuota, withdrawFromQuota } from "./authorization.ts";
import { sendClientEvent } from "./client-events.ts";
import { count } from "./counters.ts";
import type { Liveness } from "./liveness.ts";
import type { Node } from "./node.ts";
import type { Socket } from "./ports/socket.ts";
import type { Session } from "./session.ts";
import { signIn, signOut } from "./signing-in.ts";
import type { SlowReaders } from "./slow-readers.ts";
import { leaveAll, subscribe, unsubscribe } from "./subscribing.ts";
import { enqueueTask, reportFault } from "./task.ts";

const ABNORMAL_CLOSURE = 1006;
const STANDARD_CLOSE_CODES = [1000, 1001, 1002, 1009] as const;
/** What is counted under its own code. A client may send any other, and would make a metric of each. */
const KNOWN_CLOSE_CODES = new Set<number>([
  ...STANDARD_CLOSE_CODES,
  unknownKey("").code,
  ...Object.values(CLOSE).map(({ code }) => code),
]);

/**
 * Where the runtime's socket events come in and become the life of a session.
 *
 * Nothing that one socket sends may hurt another: whatever a message needs of a store is a task of its socket alone.
 */
export class Gateway {
  readonly #node: Node;
  readonly #liveness: Liveness;
  readonly #slowReaders: SlowReaders;

  constructor(node: Node, liveness: Liveness, slowReaders: SlowReaders) {
    this.#node = node;
    this.#liveness = liveness;
    this.#slowReaders = slowReaders;
  }

  /** Opens a socket only to say why it is not wanted. */
  refuse(socket: Socket, { reason, protocol }: Refusal): void {
    if (wantsErrorBeforeClose(protocol)) socket.sendText(errorFrame(reason.code, reason.text));
    socket.close(reason.code, closeFrameReason(reason.text));
  }

  open(socket: Socket, session: Session): void {
    const node = this.#node;
    const { tenant } = session;
    session.socket = socket;
    node.sessions.add(session);
    tenant.counters.connectionsOpened++;
    if (tenant.app.authorizedConnections) {
      session.authorizeByMs =
        node.clock.elapsedMs() + node.settings.websocket.authorizationTimeoutMs;
    }
    this.#liveness.watch(session);
    enqueueTask(this.#node, session, async () => {
      if (session.authorizeByMs === undefined && !(await admitToQuota(node, session))) return;
      if (!session.isLive) return;
      session.state = "open";
      const activityTimeoutSeconds = Math.round(node.settings.websocket.activityTimeoutMs / 1000);
      session.send(connectionEstablishedFrame(session.socketId, activityTimeoutSeconds));
    });
  }

  receive(session: Session, frame: string): void {
    this.heard(session);
    if (!session.isLive) return;
    session.tenant.counters.messagesReceived++;
    session.lastSpokeMs = session.lastHeardMs;
    const message = parseClientMessage(frame);
    switch (message.kind) {
      case "ping":
        return this.#answer(session, () => session.send(PONG_FRAME));
      case "pong":
        return;
      case "invalid":
        return this.#answer(session, () => session.sendError(null, message.message));
      default:
        this.#enqueue(session, () => this.#handle(session, message));
    }
  }

  receiveBinary(session: Session): void {
    this.heard(session);
    this.#answer(session, () =>
      session.sendError(null, "Binary WebSocket frames are not supported"),
    );
  }

  /** Any frame, a WebSocket ping or pong included, is a sign of life. */
  heard(session: Session): void {
    session.lastHeardMs = this.#node.clock.elapsedMs();
    session.pingedAtMs = undefined;
  }

  /** The send queue has emptied. */
  drained(session: Session): void {
    session.pressed = false;
  }

  /** The socket is gone, whoever closed it. Called once for each opened session. */
  closed(session: Session, code: number): void {
    const node = this.#node;
    const { tenant } = session;
    session.state = "closed";
    this.#liveness.forget(session);
    node.sessions.delete(session);
    count(tenant.counters.connectionsClosed, KNOWN_CLOSE_CODES.has(code) ? code : ABNORMAL_CLOSURE);
    if (code === ABNORMAL_CLOSURE) this.#slowReaders.wasSlow(session);
    session.enqueue(async () => {
      const held = [
        leaveAll(node, session),
        signOut(node, session),
        withdrawFromQuota(node, session),
      ];
      for (const outcome of await Promise.allSettled(held)) {
        if (outcome.status === "rejected")
          reportFault(node, session, outcome.reason, "could not withdraw a closed socket");
      }
      node.releaseTenant(tenant);
    });
  }

  /** Answers at once what needs no store, but nothing before the socket id: clients take the first frame for that. */
  #answer(session: Session, answer: () => void): void {
    if (session.state === "opening") this.#enqueue(session, async () => answer());
    else answer();
  }

  #enqueue(session: Session, task: () => Promise<void>): void {
    if (session.isFlooded) session.close(CLOSE.overCapacity);
    else enqueueTask(this.#node, session, task);
  }

  #handle(
    session: Session,
    message: Exclude<ClientMessage, { kind: "ping" | "pong" }>,
  ): Promise<void> {
    switch (message.kind) {
      case "subscribe":
        return subscribe(this.#node, session, message);
      case "unsubscribe":
        return unsubscribe(this.#node, session, message.channel);
      case "signin":
        return signIn(this.#node, session, message.auth, message.userData);
      case "client-event":
        return sendClientEvent(this.#node, session, message);
    }
  }
}
