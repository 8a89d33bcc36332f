/** A frame for every subscriber of a channel. */
export interface FrameMessage {
  readonly kind: "frame";
  readonly appId: string;
  readonly channel: string;
  /** Who speaks: the API, a client, or the Roster about who came and went. */
  readonly source: "api" | "client" | "roster";
  /** Ready to be sent as it is. */
  readonly frame: string;
  /** The one socket that must not get it, wherever that socket is. */
  readonly exceptSocketId: string | undefined;
}

/** An order to every node that holds sockets signed in as this user: close them. */
export interface TerminateMessage {
  readonly kind: "terminate";
  readonly appId: string;
  /** The user's own channel: the address on which a node listens for its signed-in users. */
  readonly channel: string;
  readonly userId: string;
}

export type BusMessage = FrameMessage | TerminateMessage;

export type BusReceiver = (message: BusMessage) => void;

export type MissedListener = (appId: string, channel: string) => void;

/**
 * Carries messages between channels nodes.
 *
 * Guarantees:
 * - A message published once reaches every node that is subscribed to its channel, the publishing one included.
 * - The order of messages on one channel is the same on every node. Between channels there is none.
 * - At most once: a node that is cut off misses what passes meanwhile, and nothing is repeated. It is told so, for each
 *   channel, when it receives that channel's messages again.
 * - A node receives only channels it asked for.
 * - `subscribe` and `unsubscribe` of one node take effect in the order of the calls; both may be called again needlessly.
 */
export interface Bus {
  /** Sets the one receiver of this node. Called once, before the first `subscribe`. */
  receive(receiver: BusReceiver): void;
  /**
   * Sets the one listener for channels of which messages may have been missed; everything published from the call on
   * arrives. Set once, before the first `subscribe`.
   */
  onMissed(listener: MissedListener): void;
  /** Resolves when every message published from now on will arrive here. */
  subscribe(appId: string, channel: string): Promise<void>;
  unsubscribe(appId: string, channel: string): void;
  /** Resolves when the messages have been handed over, in this order; rejects when they may not have been. */
  publish(messages: readonly BusMessage[]): Promise<void>;
  close(): Promise<void>;
}
