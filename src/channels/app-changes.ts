import { activeKey } from "../protocol/app.ts";
import { unknownKey, type CloseReason } from "../protocol/close-codes.ts";
import { authorize } from "./authorization.ts";
import { connectionFault } from "./admission.ts";
import { holdAgain } from "./holding.ts";
import type { Node } from "./node.ts";
import type { AppChange } from "./ports/app-store.ts";
import type { Session } from "./session.ts";
import { enqueueTask } from "./task.ts";
import type { Tenant } from "./tenant.ts";

/**
 * Applies a change of an app to its open sockets: whatever is no longer allowed is closed, all else stays.
 *
 * A lowered quota closes nobody, and a demand for authorization concerns only sockets opened after it (contract 1.14).
 */
export function applyAppChange(node: Node, { appId, app }: AppChange): void {
  const tenant = node.tenants.get(appId);
  if (tenant === undefined) return;
  const { webhooks } = tenant.app;
  if (app !== undefined) tenant.app = app;
  if (tenant.app.webhooks !== webhooks) recordWhatIs(node, tenant);
  const sessions = [...node.sessions.ofApp(appId)];
  if (app === undefined) node.releaseTenant(tenant);
  for (const session of sessions) {
    const fault = app === undefined ? unknownKey(session.key) : faultAfterChange(session);
    if (fault !== undefined) session.close(fault);
    else if (session.authorizeByMs !== undefined && !tenant.app.authorizedConnections) {
      enqueueTask(node, session, () => authorize(node, session));
    }
  }
}

/** A webhook that is new hears of the channels that are occupied already, or it would hear of their end alone. */
function recordWhatIs(node: Node, tenant: Tenant): void {
  holdAgain(node, tenant).catch((err: unknown) =>
    node.log.error({ appId: tenant.id, err }, "could not record what is for a changed webhook"),
  );
}

function faultAfterChange(session: Session): CloseReason | undefined {
  const { app } = session.tenant;
  return (
    connectionFault(app, session) ??
    (activeKey(app, session.key) === undefined ? unknownKey(session.key) : undefined)
  );
}
