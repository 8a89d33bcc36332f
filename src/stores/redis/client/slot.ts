const SLOTS = 16_384;
const POLYNOMIAL = 0x1021;

/** CRC16/XMODEM of each byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL;
  return crc & 0xffff;
});

/** The slot of a Cluster in which the key is; only its hash tag counts where it has one. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open === -1 ? -1 : key.indexOf("}", open + 1);
  const counted = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(counted))
    crc = ((crc << 8) & 0xffff) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0);
  return crc % SLOTS;
}

/** Slots by hash tag: there are few of these, and a slot is asked for at every call. */
export class SlotTable {
  readonly #slots = new Map<string, number>();

  of(key: string): number {
    const open = key.indexOf("{");
    const close = open === -1 ? -1 : key.indexOf("}", open + 1);
    if (close <= open + 1) return slotOf(key);
    const tag = key.slice(open, close + 1);
    let slot = this.#slots.get(tag);
    if (slot === undefined) this.#slots.set(tag, (slot = slotOf(tag)));
    return slot;
  }
}
