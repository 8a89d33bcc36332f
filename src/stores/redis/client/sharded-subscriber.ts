import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import { backOffMs } from "./back-off.ts";
import { RedisFault, type RedisSubscriber, type SubscriptionListener } from "../connection.ts";
import { OutageLog } from "./outage-log.ts";
import { LINE_BACK_OFF } from "./server-line.ts";
import { addressText, type Access, type RedisAddress } from "../settings.ts";
import type { SlotTable } from "./slot.ts";
import { SlotChannels, type Subscription } from "./slot-channels.ts";
import { SubscriptionLine } from "./subscription-line.ts";

export interface SubscriberOptions {
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
  readonly listener: SubscriptionListener;
  readonly slots: SlotTable;
  /** Undefined while nobody knows. */
  addressOf(slot: number): RedisAddress | undefined;
  /** A connection was lost, another was made. */
  onLost(): void;
  onReconnected(): void;
  /** Something is not where it was. */
  onTrouble(): void;
  onClose(): void;
}

/** Subscriptions as they should be, slot by slot, and the lines on which they are brought about. */
export class ShardedSubscriber implements RedisSubscriber {
  readonly #options: SubscriberOptions;
  readonly #outageLog: OutageLog;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #slots = new Map<number, SlotChannels>();
  readonly #lines = new Map<string, SubscriptionLine>();
  #missed: string[] = [];
  #refusals = 0;
  #cancelRelease: (() => void) | undefined;
  #isClosed = false;

  constructor(options: SubscriberOptions) {
    this.#options = options;
    this.#outageLog = new OutageLog("subscriptions", options.log, options.clock);
  }

  get isWell(): boolean {
    for (const slot of this.#slots.values()) if (!slot.isWell) return false;
    return !this.#isClosed;
  }

  subscribe(channel: string): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed());
    let subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) {
      const slot = this.#slotOf(channel);
      subscription = slot.add(channel);
      this.#subscriptions.set(channel, subscription);
      slot.line?.sendSoon();
    }
    if (subscription.isConfirmed) return Promise.resolve();
    if (subscription.waiting === undefined) {
      subscription.waiting = Promise.withResolvers();
      // Whoever is not interested in it is not told of the end either.
      subscription.waiting.promise.catch(() => {});
    }
    return subscription.waiting.promise;
  }

  unsubscribe(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    this.#subscriptions.delete(channel);
    subscription.slot.delete(subscription);
    subscription.slot.line?.sendSoon();
    // Nobody hears of it now, who still waits to.
    subscription.waiting?.resolve();
  }

  /** Servers, or their slots, have changed: each slot goes to where it is. */
  arrange(): void {
    if (this.#isClosed) return;
    for (const slot of this.#slots.values()) this.#arrange(slot);
    for (const [text, line] of this.#lines) {
      if (line.slots.size > 0) continue;
      this.#lines.delete(text);
      line.close();
    }
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#cancelRelease?.();
    for (const line of this.#lines.values()) line.close();
    for (const { waiting } of this.#subscriptions.values()) waiting?.reject(closed());
    this.#subscriptions.clear();
    this.#options.onClose();
    return Promise.resolve();
  }

  #slotOf(channel: string): SlotChannels {
    const number = this.#options.slots.of(channel);
    let slot = this.#slots.get(number);
    if (slot === undefined) {
      slot = new SlotChannels(number);
      this.#slots.set(number, slot);
      this.#arrange(slot);
    }
    return slot;
  }

  #arrange(slot: SlotChannels): void {
    const address = this.#options.addressOf(slot.slot);
    if (address === undefined) return;
    const line = this.#lineTo(address);
    if (slot.line === line) return;
    // The old server ends its subscriptions itself when it hears that the slot is another's.
    slot.line?.slots.delete(slot);
    slot.unsendAll();
    slot.line = line;
    slot.isHeld = false;
    line.slots.add(slot);
    line.sendSoon();
  }

  #lineTo(address: RedisAddress): SubscriptionLine {
    const text = addressText(address);
    let line = this.#lines.get(text);
    if (line === undefined) {
      const { access, clock, log, random } = this.#options;
      line = new SubscriptionLine({
        address,
        access,
        clock,
        log,
        random,
        onPush: (...push) => this.#hear(...push),
        onChange: (changed, fault) => this.#lineChanged(changed, fault),
        onRefused: (...refusal) => this.#refused(...refusal),
      });
      this.#lines.set(text, line);
    }
    return line;
  }

  #lineChanged(line: SubscriptionLine, fault: RedisFault | undefined): void {
    const { onLost, onReconnected, onTrouble } = this.#options;
    if (line.isOpen) {
      if (line.isReconnected) onReconnected();
      this.#noteWell();
      return;
    }
    if (fault === undefined) onLost();
    this.#outageLog.troubled(fault);
    onTrouble();
  }

  #hear(line: SubscriptionLine, what: string, channel: string, text: string): void {
    const subscription = this.#subscriptions.get(channel);
    // What comes from a server that the slot has left could overtake, or be overtaken.
    if (subscription?.slot.line !== line) return;
    if (what === "smessage") this.#options.listener.message(channel, text);
    else if (what === "ssubscribe" && line.isAnswering(subscription)) this.#confirm(subscription);
    // Ours is answered before its channel is confirmed again: this one is the server's, whose slot has moved away.
    else if (what === "sunsubscribe" && subscription.isConfirmed) this.#hold([subscription]);
  }

  #confirm(subscription: Subscription): void {
    if (subscription.isConfirmed) return;
    const isBack = subscription.slot.confirm(subscription);
    if (this.#refusals > 0) {
      this.#refusals = 0;
      this.#noteWell();
    }
    subscription.waiting?.resolve();
    subscription.waiting = undefined;
    if (!isBack) return;
    if (this.#missed.length === 0) queueMicrotask(() => this.#tellMissed());
    this.#missed.push(subscription.channel);
  }

  #tellMissed(): void {
    const missed = this.#missed;
    this.#missed = [];
    if (this.#isClosed) return;
    this.#options.listener.missed(missed);
    this.#noteWell();
  }

  #refused(line: SubscriptionLine, refused: readonly Subscription[], fault: RedisFault): void {
    if (fault.kind === "denied") this.#outageLog.troubled(fault);
    this.#hold(refused.filter(({ slot }) => slot.line === line));
  }

  /** They are asked for again where their slot has gone, or here in a while. */
  #hold(subscriptions: readonly Subscription[]): void {
    for (const subscription of subscriptions) {
      subscription.slot.isHeld = true;
      subscription.slot.unsend(subscription);
    }
    this.#options.onTrouble();
    if (this.#cancelRelease !== undefined) return;
    const { clock, random } = this.#options;
    const delayMs = backOffMs(this.#refusals++, LINE_BACK_OFF, random);
    this.#cancelRelease = clock.after(delayMs, () => {
      this.#cancelRelease = undefined;
      for (const slot of this.#slots.values()) slot.isHeld = false;
      for (const line of this.#lines.values()) line.sendSoon();
    });
  }

  #noteWell(): void {
    if (this.#slots.size > 0 && this.isWell) this.#outageLog.well([...this.#lines.keys()]);
  }
}

function closed(): RedisFault {
  return new RedisFault("unreachable", "The connection to the store is closed.");
}
