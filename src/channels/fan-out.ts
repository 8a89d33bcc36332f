import { CLOSE } from "../protocol/close-codes.ts";
import type { LocalChannel } from "./local-channel.ts";
import type { Node } from "./node.ts";
import type { BusReceiver, FrameMessage } from "./ports/bus.ts";
import type { Session } from "./session.ts";
import type { SlowReaders } from "./slow-readers.ts";
import type { Tenant } from "./tenant.ts";
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
    const { source, frame, exceptSocketId } = message;
    if (source === "roster") return announce(tenant, channel, message);
    if (source === "api") channel.events++;
    const except = exceptSocketId === undefined ? undefined : node.session(exceptSocketId);
    const skipped = except?.subscriptions?.has(channel.name) ? 1 : 0;
    send(tenant, channel, frame, except, channel.subscribers - skipped);
  }

  function announce(tenant: Tenant, channel: LocalChannel, message: FrameMessage): void {
    const informed = channel.announce(message);
    if (informed === undefined) return;
    const [except, ...others] = informed.flatMap((socketId) => node.session(socketId) ?? []);
    const skipped = except === undefined ? 0 : 1 + others.length;
    // The runtime leaves out one alone.
    for (const { socket } of others) socket.unsubscribe(channel.topic);
    send(tenant, channel, message.frame, except, channel.subscribers - skipped);
    for (const { socket } of others) socket.subscribe(channel.topic);
  }

  function send(
    { counters }: Tenant,
    { topic, subscribers }: LocalChannel,
    frame: string,
    except: Session | undefined,
    receivers: number,
  ): void {
    if (subscribers === 0) return;
    const sent = topics.publish(topic, frame, except);
    counters.deliveries += receivers;
    counters.deliveredBytes += receivers * Buffer.byteLength(frame);
    if (sent <= 0 && receivers > 0) slowReaders.notice(frame);
  }
}
