import { DEADLINE_MS, within } from "./wait.ts";

/** What has come in so far, and waiting for what is still to come. */
export class Inbox<Item> {
  /** Everything, in the order of arrival, taken or not. */
  readonly all: Item[] = [];
  readonly #untaken: Item[] = [];
  readonly #listeners: ((item: Item) => void)[] = [];
  readonly #waiting: { fits(item: Item): boolean; resolve(item: Item): void }[] = [];

  /** Calls for each that comes from now on, at the moment when it comes. */
  each(listener: (item: Item) => void): void {
    this.#listeners.push(listener);
  }

  push(item: Item): void {
    this.all.push(item);
    for (const listener of this.#listeners) listener(item);
    const waiting = this.#waiting.findIndex((waiter) => waiter.fits(item));
    if (waiting === -1) this.#untaken.push(item);
    else this.#waiting.splice(waiting, 1)[0]!.resolve(item);
  }

  /** The first item that fits and that nobody has taken yet, now or when it comes. */
  async take(what: string, fits: (item: Item) => boolean, ms = DEADLINE_MS): Promise<Item> {
    const there = this.#untaken.findIndex(fits);
    if (there !== -1) return this.#untaken.splice(there, 1)[0]!;
    let waiter: { fits(item: Item): boolean; resolve(item: Item): void } | undefined;
    const coming = new Promise<Item>((resolve) => {
      waiter = { fits, resolve };
      this.#waiting.push(waiter);
    });
    try {
      return await within(
        `${what}; came so far: ${JSON.stringify(this.all).slice(-2_000)}`,
        coming,
        ms,
      );
    } finally {
      const left = this.#waiting.indexOf(waiter!);
      if (left !== -1) this.#waiting.splice(left, 1);
    }
  }
}
