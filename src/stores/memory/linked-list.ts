/** What stands in a list: in one at most. The list alone writes these. */
export interface Linked<Item> {
  before: Item | undefined;
  after: Item | undefined;
}

/**
 * Items in the order in which they were added, any of which may leave.
 *
 * A `Map` keeps that order as well, but walks past all that was deleted before the first that is left: half a millisecond for
 * each step into a long backlog.
 */
export class LinkedList<Item extends Linked<Item>> implements Iterable<Item> {
  #first: Item | undefined;
  #last: Item | undefined;
  #size = 0;

  get first(): Item | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  add(item: Item): void {
    item.before = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.after = item;
    this.#last = item;
    this.#size++;
  }

  /** The item must be in this list. */
  delete(item: Item): void {
    const { before, after } = item;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    item.before = undefined;
    item.after = undefined;
    this.#size--;
  }

  *[Symbol.iterator](): Iterator<Item> {
    for (let item = this.#first; item !== undefined; item = item.after) yield item;
  }
}
