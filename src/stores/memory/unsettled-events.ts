import type { LoggedEvent } from "../../packager/ports/event-log.ts";

type NewEvent = Omit<LoggedEvent, "id" | "sequence" | "handledFor">;

/** Empty places at the front that are not worth a cut, which copies the rest. */
const MIN_CUT = 1_024;

/**
 * The events of one partition that are not settled, found by their sequence numbers, which have no gaps: the event with
 * number n stands n - first places behind the front. Places of settled events are emptied, and cut off at the front.
 */
export class UnsettledEvents {
  readonly #idPrefix: string;
  #places: (LoggedEvent | undefined)[] = [];
  /** Sequence number of the first place. */
  #first = 1;
  /** Empty places at the front. */
  #settledInFront = 0;

  /** Ids are this and the sequence number. */
  constructor(idPrefix: string) {
    this.#idPrefix = idPrefix;
  }

  add(event: NewEvent): void {
    const sequence = this.#first + this.#places.length;
    this.#places.push({ ...event, id: `${this.#idPrefix}-${sequence}`, sequence, handledFor: [] });
  }

  read(afterSequence: number, max: number): LoggedEvent[] {
    const found: LoggedEvent[] = [];
    let place = Math.max(this.#settledInFront, afterSequence + 1 - this.#first);
    for (; place < this.#places.length && found.length < max; place++) {
      const event = this.#places[place];
      if (event !== undefined) found.push(event);
    }
    return found;
  }

  /** False when the event is gone, or known to be in a job for that webhook. */
  handle(id: string, webhookId: string): boolean {
    const place = this.#placeOf(id);
    const event = this.#places[place];
    if (event?.id !== id || event.handledFor.includes(webhookId)) return false;
    this.#places[place] = { ...event, handledFor: [...event.handledFor, webhookId] };
    return true;
  }

  /** False when the event is gone. */
  settle(id: string): boolean {
    const place = this.#placeOf(id);
    if (this.#places[place]?.id !== id) return false;
    this.#places[place] = undefined;
    while (
      this.#settledInFront < this.#places.length &&
      this.#places[this.#settledInFront] === undefined
    )
      this.#settledInFront++;
    if (this.#settledInFront >= Math.max(MIN_CUT, this.#places.length / 2)) this.#cut();
    return true;
  }

  #cut(): void {
    this.#places = this.#places.slice(this.#settledInFront);
    this.#first += this.#settledInFront;
    this.#settledInFront = 0;
  }

  #placeOf(id: string): number {
    return Number(id.slice(id.lastIndexOf("-") + 1)) - this.#first;
  }
}
