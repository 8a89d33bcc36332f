import { addressText, type RedisAddress } from "./settings.ts";

export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly address: RedisAddress;
}

const ALL_SLOTS = { first: 0, last: 16_383 };

/** Which server has which slot. */
export class SlotMap {
  /** The servers that have any, each once. */
  readonly addresses: readonly RedisAddress[];
  readonly #ranges: readonly SlotRange[];

  constructor(ranges: readonly SlotRange[]) {
    this.#ranges = ranges;
    const byText = new Map(ranges.map(({ address }) => [addressText(address), address]));
    this.addresses = [...byText.values()];
  }

  /** One server has them all. */
  static of(address: RedisAddress): SlotMap {
    return new SlotMap([{ ...ALL_SLOTS, address }]);
  }

  addressOf(slot: number): RedisAddress | undefined {
    return this.#ranges.find(({ first, last }) => slot >= first && slot <= last)?.address;
  }
}
