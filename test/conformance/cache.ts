import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Cache } from "../../src/channels/ports/cache.ts";

export interface CacheUnderTest {
  readonly cache: Cache;
  /** Lets time pass, by its clock or by waiting. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** What the Cache port promises, for any engine. One that has to wait for time to pass may ask for a short TTL. */
export function describeCache(
  name: string,
  make: () => Promise<CacheUnderTest>,
  ttlMs = 2_000,
): void {
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
      await cache.set("1", "cache-c", { event: "first", data: "1" }, ttlMs);
      await cache.set("1", "cache-c", { event: "second", data: "2" }, ttlMs);
      const entry = await cache.get("1", "cache-c");
      expect(entry).toMatchObject({ event: "second", data: "2" });
      expect(Number.isInteger(entry!.ttlMs)).toBe(true);
      expect(entry!.ttlMs).toBeGreaterThan(0);
      expect(entry!.ttlMs).toBeLessThanOrEqual(ttlMs);
    });

    test("of several sets the last wins, nobody waiting between", async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          cache.set("1", "cache-c", { event: "e", data: `${i}` }, ttlMs),
        ),
      );
      expect(await cache.get("1", "cache-c")).toMatchObject({ data: "19" });
    });

    test("never answers an entry after its time, and asking does not prolong it", async () => {
      await cache.set("1", "cache-c", { event: "e", data: "d" }, ttlMs);
      await made.advance(ttlMs / 2);
      const entry = await cache.get("1", "cache-c");
      expect(entry!.ttlMs).toBeGreaterThan(0);
      expect(entry!.ttlMs).toBeLessThanOrEqual(ttlMs / 2);
      await made.advance(ttlMs / 2);
      expect(await cache.get("1", "cache-c")).toBeUndefined();
      await made.advance(10 * ttlMs);
      expect(await cache.get("1", "cache-c")).toBeUndefined();
    });

    test("takes the time of the last set, be it shorter or longer", async () => {
      await cache.set("1", "cache-shorter", { event: "e", data: "1" }, 10 * ttlMs);
      await cache.set("1", "cache-shorter", { event: "e", data: "2" }, ttlMs);
      await cache.set("1", "cache-longer", { event: "e", data: "1" }, ttlMs);
      await cache.set("1", "cache-longer", { event: "e", data: "2" }, 10 * ttlMs);
      await made.advance(ttlMs);
      expect(await cache.get("1", "cache-shorter")).toBeUndefined();
      expect(await cache.get("1", "cache-longer")).toMatchObject({ data: "2" });
    });

    test("keeps the channels of two apps apart", async () => {
      await cache.set("1", "cache-c", { event: "e", data: "of 1" }, ttlMs);
      expect(await cache.get("11", "cache-c")).toBeUndefined();
      await cache.set("11", "cache-c", { event: "e", data: "of 11" }, ttlMs);
      expect(await cache.get("1", "cache-c")).toMatchObject({ data: "of 1" });
      expect(await cache.get("11", "cache-c")).toMatchObject({ data: "of 11" });
    });

    test.each(["", "plain", '{"json":"\\"ü😀\\u0000\\n"}', "\u0000\r\n\u2028", "x".repeat(10_240)])(
      "gives an event's data back to the letter (case %#)",
      async (data) => {
        await cache.set("1", "cache-c", { event: `e:${data.slice(0, 20)}`, data }, ttlMs);
        expect(await cache.get("1", "cache-c")).toMatchObject({
          event: `e:${data.slice(0, 20)}`,
          data,
        });
      },
    );
  });
}
