import { isPresenceChannel, isPrivateChannel } from "../protocol/channel-name.ts";
import { echo } from "../protocol/client-message.ts";
import { clientEventFrame } from "../protocol/frames.ts";
import { dataTooLarge } from "../protocol/api-errors.ts";
import type { Node } from "./node.ts";
import { isRecorded } from "./recording.ts";
import type { Session } from "./session.ts";
import { TokenBucket } from "./token-bucket.ts";

const RATE_LIMIT_CODE = 4301;

export interface ClientEvent {
  readonly event: string;
  readonly channel: string;
  readonly data: string;
}

/** Sends a client's event to the other subscribers of its channel (contract 1.11). It is not cached, and not answered. */
export async function sendClientEvent(
  node: Node,
  session: Session,
  clientEvent: ClientEvent,
): Promise<void> {
  const { tenant } = session;
  const { event, channel, data } = clientEvent;
  const fault = clientEventFault(session, clientEvent);
  if (fault !== undefined) return session.sendError(null, fault);

  const perSecond = tenant.app.limits.clientEventsPerSecond;
  if (perSecond !== null) {
    const elapsedMs = node.clock.elapsedMs();
    session.clientEventRate ??= new TokenBucket(perSecond, elapsedMs);
    if (!session.clientEventRate.take(perSecond, elapsedMs)) {
      tenant.counters.clientEventsRefusedByRate++;
      return session.sendError(
        RATE_LIMIT_CODE,
        `Client event rejected - rate limit of ${perSecond} events per second exceeded`,
      );
    }
  }

  tenant.counters.clientEvents++;
  const userId = session.subscriptions?.get(channel)?.member?.member.userId;
  if (isRecorded(tenant.app, "client_event", channel)) {
    const sender = {
      socket_id: session.socketId,
      ...(userId === undefined ? {} : { user_id: userId }),
    };
    // Before it is passed on: what a subscriber has seen, the app is told.
    await node.events.append(tenant.id, { name: "client_event", channel, event, data, ...sender });
  }
  const frame = clientEventFrame(channel, event, data, userId);
  await node.bus.publish([
    {
      kind: "frame",
      appId: tenant.id,
      channel,
      source: "client",
      frame,
      exceptSocketId: session.socketId,
    },
  ]);
}

function clientEventFault(
  session: Session,
  { event, channel, data }: ClientEvent,
): string | undefined {
  const { app } = session.tenant;
  if (!app.clientEvents) {
    return "To send client events, you must enable this feature in the Settings page of your dashboard.";
  }
  if (!isPrivateChannel(channel) && !isPresenceChannel(channel)) {
    return "Client event rejected - only supported on private and presence channels";
  }
  if (!session.subscriptions?.has(channel)) {
    return `Cannot broadcast client event (connection not subscribed to channel ${echo(channel)})`;
  }
  if (event.length > app.limits.eventNameLength) {
    return `Client event rejected - event name exceeds the allowed maximum (${app.limits.eventNameLength} characters)`;
  }
  if (Buffer.byteLength(data) > app.limits.eventBytes) return dataTooLarge(app.limits.eventBytes);
  return undefined;
}
