import { addressText, type RedisAddress } from "../settings.ts";

export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly address: RedisAddress;
}

const SLOTS = 16_384;

/** Which server has which slot. */
export class SlotMap {
  /** The servers that have any, each once. */
  readonly addresses: readonly RedisAddress[];
  /** No slot is without a server. */
  readonly isWhole: boolean;
  readonly #ranges: readonly SlotRange[];

  constructor(ranges: readonly SlotRange[]) {
    this.#ranges = ranges;
    const byText = new Map(ranges.map(({ address }) => [addressText(address), address]));
    this.addresses = [...byText.values()];
    const slots = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    this.isWhole = slots === SLOTS;
  }

  /** One server has them all. */
  static of(address: RedisAddress): SlotMap {
    return new SlotMap([{ first: 0, last: SLOTS - 1, address }]);
  }

  addressOf(slot: number): RedisAddress | undefined {
    return this.#ranges.find(({ first, last }) => slot >= first && slot <= last)?.address;
  }
}
