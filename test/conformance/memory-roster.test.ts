import type { BusMessage } from "../../src/channels/ports/bus.ts";
import { MemoryBus } from "../../src/stores/memory/bus.ts";
import { MemoryRoster } from "../../src/stores/memory/roster.ts";
import { EventTape } from "../support/event-tape.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { settled } from "../support/ring.ts";
import { describeRoster } from "./roster.ts";

describeRoster("MemoryRoster", {
  maxNodes: 1,
  async make() {
    const [clock, bus, heard] = [new FakeClock(), new MemoryBus(), new Map<string, BusMessage[]>()];
    bus.receive((message) => heard.get(`${message.appId} ${message.channel}`)?.push(message));
    const tape = new EventTape();
    const roster = new MemoryRoster(bus, clock, tape);
    return {
      nodes: [roster],
      async listen(appId, channel) {
        const messages: BusMessage[] = [];
        heard.set(`${appId} ${channel}`, messages);
        await bus.subscribe(appId, channel);
        return messages;
      },
      advance: async (ms) => clock.advance(ms),
      settle: settled,
      recorded: async () => tape.taped,
      close: () => roster.close(),
    };
  },
});
