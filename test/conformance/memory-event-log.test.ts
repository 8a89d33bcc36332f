import type { Job } from "../../src/protocol/job.ts";
import { MemoryEventLog } from "../../src/stores/memory/event-log.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { describeEventLog, type LogHandles } from "./event-log.ts";

for (const partitions of [1, 4]) {
  describeEventLog(`MemoryEventLog of ${partitions === 1 ? "one partition" : "4 partitions"}`, {
    keepsNothing: "what is in memory goes with its process",
    async make() {
      const clock = new FakeClock();
      const jobs: Job[] = [];
      const log = MemoryEventLog.partitioned(partitions, clock, (added) => jobs.push(...added));
      return {
        ...handlesOf(log),
        jobs: async () => jobs,
        now: () => clock.now(),
        advance: async (ms) => clock.advance(ms),
        written: async () => {},
        second: async () => handlesOf(log.another()),
        kill: () => log.release(),
        close: async () => {},
      };
    },
  });
}

function handlesOf(log: MemoryEventLog): LogHandles {
  return { journal: log, recorder: log, log };
}
