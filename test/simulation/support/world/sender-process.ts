import type { Job } from "../../../../src/protocol/job.ts";
import type { JobOutcome, LeasedJob } from "../../../../src/sender/ports/job-queue.ts";
import { RedisJobQueue } from "../../../../src/stores/redis/sender/job-queue.ts";
import { RedisJobs } from "../../../../src/stores/redis/sender/jobs.ts";
import type { Keys } from "../../../../src/stores/redis/keys.ts";
import { serverTime } from "../../../../src/stores/redis/time.ts";
import type { Random } from "../random.ts";
import type { SimulatedProcess } from "../simulated-process.ts";
import type { SimulatedRedis } from "../redis/simulated-redis.ts";

const LEASE_MS = 1_500;
const ROOM = 4;
const POLL_MS = 400;
const AFTER_FAULT_MS = 150;

/** Takes jobs, delivers them, says what became of them: a sender without what makes a good one. */
export class SenderProcess {
  readonly process: SimulatedProcess;
  readonly #queue: RedisJobQueue;
  readonly #random: Random;
  readonly #deliver: (job: Job) => void;
  #underWay = 0;
  #wake: () => void = () => {};

  constructor(
    process: SimulatedProcess,
    redis: SimulatedRedis,
    keys: Keys,
    deliver: (job: Job) => void,
  ) {
    this.process = process;
    this.#random = redis.random;
    this.#deliver = deliver;
    const connection = redis.connect(process);
    const jobs = new RedisJobs(connection, keys, serverTime);
    this.#queue = new RedisJobQueue(connection, jobs, process.clock);
    this.#queue.onDue(() => this.#wake());
    void this.#work();
  }

  async #work(): Promise<void> {
    for (;;) {
      let jobs: readonly LeasedJob[] = [];
      let pauseMs = POLL_MS;
      try {
        jobs = await this.#queue.lease({
          max: () => ROOM - this.#underWay,
          room: () => ROOM,
          took() {},
          leaseMs: LEASE_MS,
        });
      } catch {
        pauseMs = AFTER_FAULT_MS;
      }
      for (const job of jobs) void this.#handle(job);
      if (jobs.length === 0) await this.#pause(pauseMs);
    }
  }

  async #handle(leased: LeasedJob): Promise<void> {
    this.#underWay++;
    const { lease, job, attempts, spentMs } = leased;
    const random = this.#random;
    // Some take longer than the lease, and are renewed or not.
    await this.#wait(random.chance(0.1) ? random.between(500, 2_500) : random.between(5, 100));
    if (random.chance(0.1)) await this.#queue.renew([lease], LEASE_MS).catch(() => []);
    const isDelivered = random.chance(0.85);
    if (isDelivered) this.#deliver(job);
    await this.#settle(
      leased,
      isDelivered
        ? { kind: "delivered" }
        : random.chance(0.5)
          ? { kind: "retry", delayMs: random.between(50, 600), spentMs: spentMs + attempts }
          : { kind: "returned", delayMs: random.between(0, 300) },
    );
    this.#underWay--;
    this.#wake();
  }

  async #settle({ lease }: LeasedJob, outcome: JobOutcome): Promise<void> {
    for (let i = 0; i < 5; i++) {
      try {
        await this.#queue.settle(lease, outcome);
        return;
      } catch {
        await this.#wait(AFTER_FAULT_MS);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = this.process.clock.after(ms, resolve);
      this.#wake = () => {
        end();
        resolve();
      };
    });
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.process.clock.after(ms, resolve));
  }
}
