import { Packager } from "../../../../src/packager/packager.ts";
import type { App } from "../../../../src/protocol/app.ts";
import { RedisEventLog } from "../../../../src/stores/redis/packager/event-log.ts";
import { RedisJobs } from "../../../../src/stores/redis/sender/jobs.ts";
import type { Keys } from "../../../../src/stores/redis/keys.ts";
import { serverTime } from "../../../../src/stores/redis/time.ts";
import type { SimulatedProcess } from "../simulated-process.ts";
import type { SimulatedRedis } from "../redis/simulated-redis.ts";
import { SILENT_LOG } from "./silent-log.ts";

/** A packager, whole, with its log in the simulated store. */
export class PackagerProcess {
  readonly process: SimulatedProcess;
  readonly #packager: Packager;

  constructor(
    process: SimulatedProcess,
    redis: SimulatedRedis,
    keys: Keys,
    apps: ReadonlyMap<string, App>,
  ) {
    this.process = process;
    const connection = redis.connect(process);
    const { clock, name } = process;
    const jobs = new RedisJobs(connection, keys, serverTime);
    const events = new RedisEventLog({
      connection,
      keys,
      clock,
      time: serverTime,
      packagerId: name,
      addJobs: async (added) => void (await jobs.add(added)),
    });
    this.#packager = new Packager({
      events,
      apps: { byId: (id) => apps.get(id) },
      clock,
      log: SILENT_LOG,
    });
    this.#packager.start();
  }

  /** As on SIGTERM. */
  async drain(): Promise<void> {
    await this.#packager.drain();
    await this.#packager.close();
    this.process.crash();
  }
}
