/** What a slot knows of the line on which it is. */
export interface SlotLine {
  readonly isOpen: boolean;
  readonly slots: Set<SlotChannels>;
  sendSoon(): void;
}

/**
 * One channel that is wanted.
 *
 *   unsent ──command sent──▶ asked ──reply──▶ confirmed        lost, moved or refused, from anywhere ──▶ unsent
 */
export interface Subscription {
  readonly channel: string;
  readonly slot: SlotChannels;
  /** In which round it was asked for; 0 while it is unsent. */
  round: number;
  isConfirmed: boolean;
  wasConfirmed: boolean;
  /** Whoever waits for it. */
  waiting: PromiseWithResolvers<void> | undefined;
}

/** The channels of one slot as they should be. They are subscribed on one line, for one server has them all. */
export class SlotChannels {
  readonly slot: number;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #unsent = new Set<Subscription>();
  #leaving: string[] = [];
  #lost = 0;
  line: SlotLine | undefined;
  /** The server has refused some of them: not before it is known who has the slot, or a while has passed. */
  isHeld = false;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** It has a server, and none is lost that was there. */
  get isWell(): boolean {
    return this.#lost === 0 && this.line?.isOpen === true;
  }

  add(channel: string): Subscription {
    const subscription: Subscription = {
      channel,
      slot: this,
      round: 0,
      isConfirmed: false,
      wasConfirmed: false,
      waiting: undefined,
    };
    this.#subscriptions.set(channel, subscription);
    this.#unsent.add(subscription);
    return subscription;
  }

  delete(subscription: Subscription): void {
    const { channel, round, wasConfirmed, isConfirmed } = subscription;
    this.#subscriptions.delete(channel);
    this.#unsent.delete(subscription);
    if (wasConfirmed && !isConfirmed) this.#lost--;
    if (round > 0) this.#leaving.push(channel);
  }

  /** Returns whether it had been before, so that something may have been missed. */
  confirm(subscription: Subscription): boolean {
    const { wasConfirmed } = subscription;
    subscription.isConfirmed = true;
    subscription.wasConfirmed = true;
    if (wasConfirmed) this.#lost--;
    return wasConfirmed;
  }

  unsend(subscription: Subscription): void {
    // Nobody wants it any more.
    if (this.#subscriptions.get(subscription.channel) !== subscription) return;
    if (subscription.isConfirmed) this.#lost++;
    subscription.isConfirmed = false;
    subscription.round = 0;
    this.#unsent.add(subscription);
  }

  /** The line is gone, or another server's. */
  unsendAll(): void {
    this.#leaving = [];
    for (const subscription of this.#subscriptions.values()) this.unsend(subscription);
  }

  takeLeaving(): readonly string[] {
    const leaving = this.#leaving;
    this.#leaving = [];
    return leaving;
  }

  takeUnsent(most: number): readonly Subscription[] {
    if (this.isHeld) return [];
    const taken: Subscription[] = [];
    for (const subscription of this.#unsent) {
      if (taken.length === most) break;
      this.#unsent.delete(subscription);
      taken.push(subscription);
    }
    return taken;
  }
}
