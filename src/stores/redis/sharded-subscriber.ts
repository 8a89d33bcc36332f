import type { Clock } from "../../channels/ports/clock.ts";
import { backOffMs } from "./back-off.ts";
import {
  RedisFault,
  type RedisSubscriber,
  type Reply,
  type SubscriptionListener,
} from "./connection.ts";
import { ErrorReply, type ParsedReply } from "./reply-parser.ts";
import { addressText, type Access, type RedisAddress } from "./settings.ts";
import { slotOf } from "./slot.ts";
import { SubscriptionLink } from "./subscription-link.ts";

const BACK_OFF = { firstMs: 50, mostMs: 5_000 };
/** Of one slot, as a Cluster demands. */
const CHANNELS_PER_COMMAND = 500;
/** Others get their turn of the event loop in between. */
const CHANNELS_PER_TURN = 5_000;

export interface SubscriberOptions {
  readonly access: Access;
  readonly clock: Clock;
  random(): number;
  readonly listener: SubscriptionListener;
  /** Undefined while nobody knows. */
  addressOf(channel: string): RedisAddress | undefined;
  /** A connection was lost, or a slot has moved. */
  onTrouble(): void;
  onClose(): void;
}

/**
 * One channel that is wanted.
 *
 *   unsent ──command sent──▶ asked ──reply──▶ confirmed        lost, moved or refused, from anywhere ──▶ unsent
 */
interface Subscription {
  readonly channel: string;
  readonly ready: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  outlet: Outlet | undefined;
  isConfirmed: boolean;
  wasConfirmed: boolean;
}

/** The connection to one server, which comes and goes. */
interface Outlet {
  readonly address: RedisAddress;
  link: SubscriptionLink | undefined;
  failures: number;
  cancel: (() => void) | undefined;
}

/** Subscriptions as they should be, and the connections on which they are brought about. */
export class ShardedSubscriber implements RedisSubscriber {
  readonly #options: SubscriberOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #outlets = new Map<string, Outlet>();
  readonly #unsent = new Set<Subscription>();
  #leaving: { readonly channel: string; readonly outlet: Outlet }[] = [];
  #missed: string[] = [];
  #isSending = false;
  #cancelArranging: (() => void) | undefined;
  #refusals = 0;
  #isClosed = false;

  constructor(options: SubscriberOptions) {
    this.#options = options;
  }

  get isWell(): boolean {
    for (const { link } of this.#outlets.values()) if (link === undefined) return false;
    return this.#unsent.size === 0;
  }

  subscribe(channel: string): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed());
    let subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) {
      subscription = newSubscription(channel);
      this.#subscriptions.set(channel, subscription);
      this.#unsent.add(subscription);
      this.#sendSoon();
    }
    return subscription.ready;
  }

  unsubscribe(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    this.#subscriptions.delete(channel);
    this.#unsent.delete(subscription);
    // Nobody may hear of it now, who still waits to.
    subscription.resolve();
    if (subscription.outlet === undefined) return;
    this.#leaving.push({ channel, outlet: subscription.outlet });
    this.#sendSoon();
  }

  /** Servers, or their slots, have changed: each subscription goes to where its slot is. */
  arrange(): void {
    if (this.#isClosed) return;
    for (const subscription of this.#subscriptions.values()) {
      const { outlet, channel } = subscription;
      if (outlet === undefined) continue;
      const address = this.#options.addressOf(channel);
      if (address === undefined || addressText(address) === addressText(outlet.address)) continue;
      this.#leaving.push({ channel, outlet });
      this.#unsend(subscription);
    }
    this.#sendSoon();
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#cancelArranging?.();
    for (const { link, cancel } of this.#outlets.values()) {
      cancel?.();
      link?.close();
    }
    for (const { reject } of this.#subscriptions.values()) reject(closed());
    this.#subscriptions.clear();
    this.#unsent.clear();
    this.#options.onClose();
    return Promise.resolve();
  }

  #sendSoon(): void {
    if (this.#isSending || this.#isClosed) return;
    this.#isSending = true;
    // What is asked for in the same turn goes in one command.
    queueMicrotask(() => this.#send());
  }

  #send(): void {
    this.#isSending = false;
    if (this.#isClosed) return;
    for (const [{ link }, left] of Map.groupBy(this.#leaving, ({ outlet }) => outlet)) {
      const channels = left.map(({ channel }) => channel);
      for (const command of commands("SUNSUBSCRIBE", channels)) link?.send(command);
    }
    this.#leaving = [];
    const asked = new Map<Outlet, string[]>();
    let room = CHANNELS_PER_TURN;
    for (const subscription of this.#unsent) {
      if (room-- === 0) break;
      const address = this.#options.addressOf(subscription.channel);
      if (address === undefined) continue;
      const outlet = this.#outletTo(address);
      if (outlet.link === undefined) continue;
      this.#unsent.delete(subscription);
      subscription.outlet = outlet;
      const channels = asked.get(outlet) ?? [];
      channels.push(subscription.channel);
      asked.set(outlet, channels);
    }
    for (const [{ link }, channels] of asked)
      for (const command of commands("SSUBSCRIBE", channels)) link?.send(command);
    if (room < 0 && asked.size > 0 && this.#unsent.size > 0) {
      this.#isSending = true;
      this.#options.clock.after(0, () => this.#send());
    }
  }

  #outletTo(address: RedisAddress): Outlet {
    const text = addressText(address);
    let outlet = this.#outlets.get(text);
    if (outlet === undefined) {
      outlet = { address, link: undefined, failures: 0, cancel: undefined };
      this.#outlets.set(text, outlet);
      void this.#connect(outlet);
    }
    return outlet;
  }

  async #connect(outlet: Outlet): Promise<void> {
    const { access, clock, random } = this.#options;
    try {
      const link = await SubscriptionLink.open(outlet.address, access, clock, {
        reply: (reply) => this.#hear(outlet, reply),
        lost: () => this.#lost(outlet),
      });
      if (this.#isClosed) return link.close();
      outlet.link = link;
      outlet.failures = 0;
      this.#sendSoon();
    } catch {
      if (this.#isClosed) return;
      if (!this.#isNeeded(outlet)) {
        this.#outlets.delete(addressText(outlet.address));
        return;
      }
      const delayMs = backOffMs(outlet.failures++, BACK_OFF, random);
      outlet.cancel = clock.after(delayMs, () => void this.#connect(outlet));
    }
  }

  /** Whether any subscription belongs to that server, as far as is known. */
  #isNeeded({ address }: Outlet): boolean {
    const text = addressText(address);
    for (const { channel } of this.#unsent) {
      const its = this.#options.addressOf(channel);
      if (its === undefined || addressText(its) === text) return true;
    }
    return false;
  }

  #lost(outlet: Outlet): void {
    outlet.link = undefined;
    if (this.#isClosed) return;
    for (const subscription of this.#subscriptions.values())
      if (subscription.outlet === outlet) this.#unsend(subscription);
    this.#options.onTrouble();
    void this.#connect(outlet);
  }

  #unsend(subscription: Subscription): void {
    subscription.outlet = undefined;
    subscription.isConfirmed = false;
    this.#unsent.add(subscription);
  }

  #hear(outlet: Outlet, reply: ParsedReply): void {
    if (this.#isClosed) return;
    if (reply instanceof ErrorReply) return this.#refused(outlet);
    if (!Array.isArray(reply)) return;
    const [what, channel, text] = reply as readonly Reply[] as readonly [string, string, string];
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    if (what === "smessage") this.#options.listener.message(channel, text);
    else if (subscription.outlet !== outlet) return;
    else if (what === "ssubscribe") this.#confirm(subscription);
    // One of ours comes before its channel is confirmed again: this one is the server's, whose slot has moved away.
    else if (what === "sunsubscribe" && subscription.isConfirmed) {
      this.#unsend(subscription);
      this.#options.onTrouble();
      this.#arrangeLater();
    }
  }

  #confirm(subscription: Subscription): void {
    if (subscription.isConfirmed) return;
    subscription.isConfirmed = true;
    this.#refusals = 0;
    if (!subscription.wasConfirmed) {
      subscription.wasConfirmed = true;
      subscription.resolve();
      return;
    }
    if (this.#missed.length === 0) queueMicrotask(() => this.#tellMissed());
    this.#missed.push(subscription.channel);
  }

  #tellMissed(): void {
    const missed = this.#missed;
    this.#missed = [];
    if (!this.#isClosed) this.#options.listener.missed(missed);
  }

  /** Which command it was does not matter: whatever has no answer is asked for again. */
  #refused(outlet: Outlet): void {
    for (const subscription of this.#subscriptions.values())
      if (subscription.outlet === outlet && !subscription.isConfirmed) this.#unsend(subscription);
    this.#options.onTrouble();
    this.#arrangeLater();
  }

  #arrangeLater(): void {
    if (this.#cancelArranging !== undefined) return;
    const { clock, random } = this.#options;
    const delayMs = backOffMs(this.#refusals++, BACK_OFF, random);
    this.#cancelArranging = clock.after(delayMs, () => {
      this.#cancelArranging = undefined;
      this.arrange();
    });
  }
}

function newSubscription(channel: string): Subscription {
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  // Whoever is not interested in it is not told of the end either.
  ready.catch(() => {});
  return {
    channel,
    ready,
    resolve,
    reject,
    outlet: undefined,
    isConfirmed: false,
    wasConfirmed: false,
  };
}

/** In commands of one slot each. */
function commands(name: string, channels: readonly string[]): string[][] {
  const found: string[][] = [];
  for (const ofSlot of Map.groupBy(channels, slotOf).values())
    for (let i = 0; i < ofSlot.length; i += CHANNELS_PER_COMMAND)
      found.push([name, ...ofSlot.slice(i, i + CHANNELS_PER_COMMAND)]);
  return found;
}

function closed(): RedisFault {
  return new RedisFault("unreachable", "The connection to the store is closed.");
}
