import { CLOSE } from "../protocol/close-codes.ts";
import type { Node } from "./node.ts";
import type { BusReceiver, FrameMessage } from "./ports/bus.ts";
import type { SlowReaders } from "./slow-readers.ts";
import type { Topics } from "./topics.ts";

/**
 * What this node does with a message of the Bus. A frame goes to its topic in one call, whatever the number of sockets:
 * the runtime loops, we never do.
 */
export function fanOut(node: Node, topics: Topics, slowReaders: SlowReaders): BusReceiver {
  return (message) => {
    if (message.kind === "frame") return deliver(message);
    for (const session of node.sessions.ofUser(message.appId, message.userId))
      session.close(CLOSE.terminated);
  };

  function deliver(message: FrameMessage): void {
    const tenant = node.tenants.get(message.appId);
    const channel = tenant?.channels.get(message.channel);
    if (tenant === undefined || channel === undefined) return;
    channel.pass(message);
    if (channel.subscribers === 0) return;

    const except =
      message.exceptSocketId === undefined ? undefined : node.session(message.exceptSocketId);
    const skipped = except?.subscriptions?.has(channel.name) ? 1 : 0;
    const sent = topics.publish(channel.topic, message.frame, except);
    const receivers = channel.subscribers - skipped;
    tenant.counters.deliveries += receivers;
    tenant.counters.deliveredBytes += receivers * Buffer.byteLength(message.frame);
    if (sent <= 0 && receivers > 0) slowReaders.notice(message.frame);
  }
}
