import type { Script } from "./script.ts";

/** What a script answers. Redis turns Lua's numbers into integers, `false` and `nil` into null. */
export type Reply = null | number | string | readonly Reply[];

/** Why the store did not do what it was asked. */
export type RedisFaultKind =
  /** No connection, none in time, or it broke before the answer came. */
  | "unreachable"
  | "timeout"
  /** It is loading its data, is a replica now, or a Cluster that is not whole: it will be well by itself. */
  | "not-ready"
  /** Out of memory, or the disk: it refuses writes. */
  | "full"
  /** Wrong password, or a command or key that this user may not use. */
  | "denied"
  /** Anything else, a fault of ours most likely. */
  | "refused";

/**
 * A call that the store did not answer. It may have taken effect all the same, so whatever is called must bear to be
 * repeated.
 */
export class RedisFault extends Error {
  override readonly name = "RedisFault";
  readonly kind: RedisFaultKind;

  constructor(kind: RedisFaultKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/**
 * One Redis or Valkey, whatever it consists of: a server, a Cluster, a primary that Sentinels choose.
 *
 * Guarantees:
 * - All calls about keys with one hash tag reach the same server, in the order of the calls as long as no connection broke,
 *   no slot moved and no server forgot a script meanwhile.
 * - Calls are attempts: they follow redirections and teach the server a script that it does not know, but what fails is not
 *   repeated. They reject with `RedisFault` alone, at once while there is no connection, and within the time limit always.
 * - A script runs as a whole or not at all, also on keys that it does not declare, also while its slot moves from one server
 *   of a Cluster to another: meanwhile its calls are "not-ready".
 * - Lost connections are rebuilt for ever, with jitter.
 */
export interface RedisConnection {
  /** Runs the script. All keys have the same hash tag. Its KEYS may have one more at the end, which does not exist. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply>;
  /** Sends the message to whoever is subscribed to the channel, whose name has a hash tag. At most once. */
  publish(channel: string, message: string): Promise<void>;
  /** Another line for subscriptions. They are rebuilt when it breaks; what passes meanwhile is lost. */
  subscriber(listener: SubscriptionListener): RedisSubscriber;
  /** Everything that is needed is connected. */
  readonly isWell: boolean;
  close(): Promise<void>;
}

export interface SubscriptionListener {
  message(channel: string, message: string): void;
  /** Messages on these channels may have been missed; they are subscribed again. */
  missed(channels: readonly string[]): void;
}

/**
 * Guarantees: `subscribe` and `unsubscribe` of one channel take effect in the order of the calls; both may be called again
 * needlessly.
 */
export interface RedisSubscriber {
  /** Resolves when every message published from now on will arrive here, however long that takes; rejects on `close`. */
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): void;
  readonly isWell: boolean;
  close(): Promise<void>;
}
