import { describe, expect, test } from "bun:test";
import { SlotMap } from "../../../src/stores/redis/client/slot-map.ts";
import { slotOf, SlotTable } from "../../../src/stores/redis/client/slot.ts";

// As CLUSTER KEYSLOT answers them.
const SLOTS: readonly (readonly [string, number])[] = [
  ["123456789", 12_739],
  ["", 0],
  ["foo", 12_182],
  ["{user1000}.following", 3_443],
  ["{user1000}.followers", 3_443],
  ["foo{}{bar}", 8_363],
  ["foo{{bar}}zap", 4_015],
  ["foo{bar}{zap}", 5_061],
];

describe("a slot", () => {
  test.each(SLOTS)("of %p is that of a Cluster", (key, slot) => {
    expect(slotOf(key)).toBe(slot);
    expect(new SlotTable().of(key)).toBe(slot);
  });

  test("is looked up by its tag alone, however many keys have it", () => {
    const table = new SlotTable();
    for (let i = 0; i < 100; i++) expect(table.of(`p:{user1000}:${i}`)).toBe(3_443);
  });
});

describe("a map of slots", () => {
  const [a, b] = [
    { host: "a", port: 1 },
    { host: "b", port: 1 },
  ];

  test("knows whose a slot is, and that one is nobody's", () => {
    const map = new SlotMap([
      { first: 0, last: 99, address: a },
      { first: 200, last: 16_383, address: b },
    ]);
    expect(map.addressOf(99)).toEqual(a);
    expect(map.addressOf(100)).toBeUndefined();
    expect(map.addressOf(200)).toEqual(b);
    expect(map.isWhole).toBe(false);
  });

  test("names each server once, however its slots are cut", () => {
    const map = new SlotMap([
      { first: 0, last: 99, address: a },
      { first: 100, last: 199, address: b },
      { first: 200, last: 16_383, address: { ...a } },
    ]);
    expect(map.addresses).toEqual([a, b]);
    expect(map.isWhole).toBe(true);
  });
});
