import { MemoryCache } from "../../src/stores/memory/cache.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { describeCache } from "./cache.ts";

describeCache("MemoryCache", async () => {
  const clock = new FakeClock();
  const cache = new MemoryCache(clock, 1 << 20);
  return { cache, advance: async (ms) => clock.advance(ms), close: () => cache.close() };
});
