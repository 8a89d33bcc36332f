/** What a node heard of the Bus: of each channel all messages in their order, but where it was cut off. */
export class BusAudit {
  readonly #node: string;
  readonly #fail: (what: string) => void;
  /** By `app/channel`: the place of the last message that was heard. */
  readonly #last = new Map<string, number>();
  /** Channels of which it may miss something now. */
  readonly #mayMiss = new Set<string>();
  readonly #subscribed = new Set<string>();
  readonly #unconfirmed = new Map<string, Promise<void>>();

  constructor(node: string, fail: (what: string) => void) {
    this.#node = node;
    this.#fail = fail;
  }

  subscribed(place: string, attached: Promise<void>): void {
    this.#subscribed.add(place);
    this.#mayMiss.add(place);
    this.#last.delete(place);
    // Until then it may hear the end of a subscription before this one.
    this.#unconfirmed.set(place, attached);
    attached.then(
      () => {
        if (this.#unconfirmed.get(place) === attached) this.#unconfirmed.delete(place);
      },
      () => {},
    );
  }

  unsubscribed(place: string): void {
    this.#subscribed.delete(place);
  }

  /** It was cut off, and is subscribed again. */
  missed(place: string): void {
    this.#mayMiss.add(place);
  }

  hear(place: string, number: number): void {
    if (!this.#subscribed.has(place)) {
      this.#fail(`${this.#node} hears ${place}, for which it did not ask`);
      return;
    }
    const last = this.#last.get(place) ?? 0;
    const isNext = this.#mayMiss.has(place) ? number > last : number === last + 1;
    if (!isNext) this.#fail(`${this.#node} hears message ${number} of ${place} behind ${last}`);
    if (!this.#unconfirmed.has(place)) this.#mayMiss.delete(place);
    this.#last.set(place, number);
  }

  /** The places that it listens to, and what it heard there last. */
  lastHeard(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#subscribed, (place) => [place, this.#last.get(place) ?? 0]));
  }
}
