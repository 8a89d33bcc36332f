import { MemoryBus } from "../../src/stores/memory/bus.ts";
import { settled } from "../support/ring.ts";
import { describeBus } from "./bus.ts";

describeBus("MemoryBus", async (count) => {
  const nodes = MemoryBus.cluster(count);
  return {
    nodes,
    settle: settled,
    close: async () => void (await Promise.all(nodes.map((node) => node.close()))),
  };
});
