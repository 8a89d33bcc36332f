import { MemoryDeliveryLog } from "../../src/stores/memory/delivery-log.ts";
import { MemoryFleet } from "../../src/stores/memory/fleet.ts";
import { MemoryJobDesk } from "../../src/stores/memory/job-desk.ts";
import { MemoryJobQueue } from "../../src/stores/memory/job-queue.ts";
import { MemoryJobs } from "../../src/stores/memory/jobs.ts";
import type { JobStoreEngine } from "./job-store.ts";

export const memoryJobStore: JobStoreEngine = {
  whyAlone: "it is for one process",
  whyForgetful: "it lasts as long as its process",
  latenessMs: 0,
  async make({ clock }) {
    const jobs = new MemoryJobs(clock);
    const desk = new MemoryJobDesk(jobs);
    return {
      queue: new MemoryJobQueue(jobs),
      desk,
      log: new MemoryDeliveryLog(clock),
      fleet: new MemoryFleet(clock),
      putRaw: async (raws) => {
        for (const raw of raws) jobs.put(raw);
      },
      figures: () => desk.figures(),
      flush: async () => {},
      close: async () => {},
    };
  },
};
