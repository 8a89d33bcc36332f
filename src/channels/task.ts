import { CLOSE } from "../protocol/close-codes.ts";
import type { Node } from "./node.ts";
import type { Session } from "./session.ts";

/**
 * Runs the task behind the earlier ones of its socket, unless that is gone by then. A task that fails costs its own
 * socket and nobody else's: it is closed with 4100, upon which the client starts afresh a second later.
 */
export function enqueueTask(node: Node, session: Session, task: () => Promise<void>): void {
  session.enqueue(async () => {
    if (!session.isLive) return;
    try {
      await task();
    } catch (error) {
      reportFault(node, session, error, "could not serve a socket");
      session.close(CLOSE.overCapacity);
    }
  });
}

export function reportFault(node: Node, session: Session, error: unknown, message: string): void {
  node.log.error({ appId: session.tenant.id, socketId: session.socketId, err: error }, message);
}
