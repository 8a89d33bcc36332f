import { expect, test } from "bun:test";
import fc from "fast-check";
import { MemoryCache } from "../../src/stores/memory/cache.ts";
import { FakeClock } from "../support/fake-clock.ts";

const MAX_BYTES = 4_000;

const APPS = ["1", "2"];
const CHANNELS = ["cache-a", "cache-b", "private-cache-a", "__proto__"];
const place = fc.record({ app: fc.constantFrom(...APPS), channel: fc.constantFrom(...CHANNELS) });
const step = fc.oneof(
  fc.record({
    kind: fc.constant("set" as const),
    place,
    length: fc.oneof(fc.nat(100), fc.nat(3_000)),
    ttlMs: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1_000, max: 200_000 })),
  }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.oneof(fc.nat(1_000), fc.nat(100_000)) }),
);

interface Kept {
  readonly data: string;
  readonly expiresAtMs: number;
}

test("answers the last event of a channel or nothing, never an expired one, and stays within its bytes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new FakeClock();
      const cache = new MemoryCache(clock, MAX_BYTES);
      // In the order of the last setting, as a Map keeps it when a key is deleted first.
      const all = new Map<string, Kept>();
      let data = 0;
      for (const one of steps) {
        if (one.kind === "wait") {
          clock.advance(one.ms);
        } else {
          const text = `${++data}`.padEnd(one.length, ".");
          await cache.set(one.place.app, one.place.channel, { event: "e", data: text }, one.ttlMs);
          const key = `${one.place.app} ${one.place.channel}`;
          all.delete(key);
          all.set(key, { data: text, expiresAtMs: clock.elapsedMs() + one.ttlMs });
        }
        expect(cache.bytes).toBeLessThanOrEqual(MAX_BYTES);

        let isYoungerKept = true;
        for (const [key, kept] of [...all].toReversed()) {
          const [app, channel] = key.split(" ");
          const entry = await cache.get(app!, channel!);
          if (entry === undefined) {
            const isExpired = kept.expiresAtMs <= clock.elapsedMs();
            const isLarge = 2 * kept.data.length + 300 > MAX_BYTES;
            if (!isExpired && !isLarge) isYoungerKept = false;
          } else {
            // Whoever is evicted goes before all that were set later.
            expect(isYoungerKept).toBe(true);
            expect(entry).toEqual({
              event: "e",
              data: kept.data,
              ttlMs: kept.expiresAtMs - clock.elapsedMs(),
            });
            expect(entry.ttlMs).toBeGreaterThan(0);
          }
        }
      }
      clock.advance(300_000);
      expect(cache.bytes).toBe(0);
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("keeps everything while there is room", async () => {
  const clock = new FakeClock();
  const cache = new MemoryCache(clock, 1_000_000);
  for (let i = 0; i < 500; i++)
    await cache.set("1", `cache-${i}`, { event: "e", data: `${i}` }, 60_000);
  for (let i = 0; i < 500; i++) {
    expect(await cache.get("1", `cache-${i}`)).toEqual({ event: "e", data: `${i}`, ttlMs: 60_000 });
  }
});

test("an entry larger than the whole cache drives out the channel's old event, and nobody else's", async () => {
  const cache = new MemoryCache(new FakeClock(), MAX_BYTES);
  await cache.set("1", "cache-a", { event: "e", data: "old" }, 60_000);
  await cache.set("1", "cache-b", { event: "e", data: "other" }, 60_000);
  await cache.set("1", "cache-a", { event: "e", data: "x".repeat(MAX_BYTES) }, 60_000);
  expect(await cache.get("1", "cache-a")).toBeUndefined();
  expect(await cache.get("1", "cache-b")).toMatchObject({ data: "other" });
});

test("once closed it waits for nothing", async () => {
  const clock = new FakeClock();
  const cache = new MemoryCache(clock, MAX_BYTES);
  await cache.set("1", "cache-a", { event: "e", data: "d" }, 60_000);
  await cache.close();
  expect([clock.pending, cache.bytes]).toEqual([0, 0]);
});
