import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Cache } from "../../src/channels/ports/cache.ts";

export interface CacheUnderTest {
  readonly cache: Cache;
  /** Lets time pass, by its clock or by waiting. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

const TTL_MS = 2_000;

/** What the Cache port promises, for any engine. */
export function describeCache(name: string, make: () => Promise<CacheUnderTest>): void {
  describe(`${name} as a Cache`, () => {
    let made: CacheUnderTest;
    let cache: Cache;
    beforeEach(async () => {
      made = await make();
      cache = made.cache;
    });
    afterEach(() => made.close());

    test("answers nothing for a channel that has no event", async () => {
      expect(await cache.get("1", "cache-c")).toBeUndefined();
      expect(await cache.get("1", "__proto__")).toBeUndefined();
    });

    test("answers the last event, and how long it will live", async () => {
      await cache.set("1", "cache-c", { event: "first", data: "1" }, TTL_MS);
      await cache.set("1", "cache-c", { event: "second", data: "2" }, TTL_MS);
      const entry = await cache.get("1", "cache-c");
      expect(entry).toMatchObject({ event: "second", data: "2" });
      expect(Number.isInteger(entry!.ttlMs)).toBe(true);
      expect(entry!.ttlMs).toBeGreaterThan(0);
      expect(entry!.ttlMs).toBeLessThanOrEqual(TTL_MS);
    });

    test("of several sets the last wins, nobody waiting between", async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          cache.set("1", "cache-c", { event: "e", data: `${i}` }, TTL_MS),
        ),
      );
      expect(await cache.get("1", "cache-c")).toMatchObject({ data: "19" });
    });

    test("never answers an entry after its time, and asking does not prolong it", async () => {
      await cache.set("1", "cache-c", { event: "e", data: "d" }, TTL_MS);
      await made.advance(TTL_MS / 2);
      const entry = await cache.get("1", "cache-c");
      expect(entry!.ttlMs).toBeGreaterThan(0);
      expect(entry!.ttlMs).toBeLessThanOrEqual(TTL_MS / 2);
      await made.advance(TTL_MS / 2);
      expect(await cache.get("1", "cache-c")).toBeUndefined();
      await made.advance(10 * TTL_MS);
      expect(await cache.get("1", "cache-c")).toBeUndefined();
    });

    test("takes the time of the last set, be it shorter or longer", async () => {
      await cache.set("1", "cache-shorter", { event: "e", data: "1" }, 10 * TTL_MS);
      await cache.set("1", "cache-shorter", { event: "e", data: "2" }, TTL_MS);
      await cache.set("1", "cache-longer", { event: "e", data: "1" }, TTL_MS);
      await cache.set("1", "cache-longer", { event: "e", data: "2" }, 10 * TTL_MS);
      await made.advance(TTL_MS);
      expect(await cache.get("1", "cache-shorter")).toBeUndefined();
      expect(await cache.get("1", "cache-longer")).toMatchObject({ data: "2" });
    });

    test("keeps the channels of two apps apart", async () => {
      await cache.set("1", "cache-c", { event: "e", data: "of 1" }, TTL_MS);
      expect(await cache.get("11", "cache-c")).toBeUndefined();
      await cache.set("11", "cache-c", { event: "e", data: "of 11" }, TTL_MS);
      expect(await cache.get("1", "cache-c")).toMatchObject({ data: "of 1" });
      expect(await cache.get("11", "cache-c")).toMatchObject({ data: "of 11" });
    });

    test.each(["", "plain", '{"json":"\\"ü😀\\u0000\\n"}', "\u0000\r\n\u2028", "x".repeat(10_240)])(
      "gives an event's data back to the letter (case %#)",
      async (data) => {
        await cache.set("1", "cache-c", { event: `e:${data.slice(0, 20)}`, data }, TTL_MS);
        expect(await cache.get("1", "cache-c")).toMatchObject({
          event: `e:${data.slice(0, 20)}`,
          data,
        });
      },
    );
  });
}
