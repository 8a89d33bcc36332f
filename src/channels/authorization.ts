import { CLOSE } from "../protocol/close-codes.ts";
import type { Node } from "./node.ts";
import type { Session } from "./session.ts";
import { reportFault } from "./task.ts";

/**
 * The app's quota of connections, and the sockets that must show who they are (contract 1.14).
 *
 * Where the app asks for authorized connections, a socket counts towards the quota from the moment that it is authorized,
 * elsewhere from the start.
 */

/** Counts the socket in; closes it with 4004 and answers false when the app is full. */
export async function admitToQuota(node: Node, session: Session): Promise<boolean> {
  const { tenant } = session;
  session.countsTowardsQuota = true;
  tenant.quotaConnections++;
  const held = node.roster.holdConnections(tenant.id, tenant.quotaConnections);
  const limit = tenant.app.limits.connections;
  if (limit === null) {
    // Whatever the answer is, the socket may stay: no client waits for a store that is slow or away.
    held.catch((error: unknown) =>
      reportFault(node, session, error, "could not count a socket towards its app"),
    );
    return true;
  }
  if ((await held) <= limit) return true;
  await withdrawFromQuota(node, session);
  session.close(CLOSE.overQuota);
  return false;
}

export async function withdrawFromQuota(node: Node, session: Session): Promise<void> {
  if (!session.countsTowardsQuota) return;
  const { tenant } = session;
  session.countsTowardsQuota = false;
  tenant.quotaConnections--;
  await node.roster.holdConnections(tenant.id, tenant.quotaConnections);
}

/** The socket signed in or subscribed to a private or presence channel: it has shown who it is. */
export async function authorize(node: Node, session: Session): Promise<void> {
  if (session.authorizeByMs === undefined) return;
  session.authorizeByMs = undefined;
  await admitToQuota(node, session);
}
