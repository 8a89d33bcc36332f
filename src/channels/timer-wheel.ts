/**
 * One deadline for each of very many things, a second exact.
 *
 * A thing's deadline is nearly always put off before it comes (a socket shows life), so a deadline costs nothing until it
 * is due: the owner keeps its own record of life, looks at it when the wheel calls, and sets the next deadline. Each
 * thing stands in one slot at most, and leaves it with `delete`, so that nothing closed is kept.
 */
export class TimerWheel<Item extends object> {
  readonly #slots: Set<Item>[];
  readonly #slotOf = new Map<Item, number>();
  /** The tick up to which the wheel has turned, in whole seconds. */
  #turnedTo: number;

  constructor(nowMs: number, slots = 64) {
    this.#slots = Array.from({ length: slots }, () => new Set());
    this.#turnedTo = Math.floor(nowMs / 1000);
  }

  get size(): number {
    return this.#slotOf.size;
  }

  /**
   * Sets the thing's deadline, or moves it. A deadline beyond the wheel's reach comes due early, at its far end; the owner
   * looks, sees that it is early, and sets it again.
   */
  set(item: Item, deadlineMs: number): void {
    this.delete(item);
    const tick = Math.max(this.#turnedTo + 1, Math.ceil(deadlineMs / 1000));
    const slot = Math.min(tick, this.#turnedTo + this.#slots.length - 1) % this.#slots.length;
    this.#slots[slot]!.add(item);
    this.#slotOf.set(item, slot);
  }

  delete(item: Item): void {
    const slot = this.#slotOf.get(item);
    if (slot === undefined) return;
    this.#slots[slot]!.delete(item);
    this.#slotOf.delete(item);
  }

  /** Turns the wheel to now and hands out what came due. */
  turn(nowMs: number, due: (item: Item) => void): void {
    const now = Math.floor(nowMs / 1000);
    // After a pause of more than a turn, every slot is due once; going round again would find nothing more.
    const from = Math.max(this.#turnedTo, now - this.#slots.length) + 1;
    for (let tick = from; tick <= now; tick++) {
      this.#turnedTo = tick;
      const slot = this.#slots[tick % this.#slots.length]!;
      if (slot.size === 0) continue;
      const items = [...slot];
      slot.clear();
      for (const item of items) this.#slotOf.delete(item);
      for (const item of items) due(item);
    }
  }
}
