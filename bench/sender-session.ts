import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNs, processCpuNs } from "./cpu-clock.ts";
import { refuseHelpers } from "./lone-process.ts";
import type { RunningSender, Sender, SenderOptions } from "./sender.ts";
import type { Arrivals, Sink } from "./sink.ts";
import { type WebhookJob, bodyOf } from "./webhook-job.ts";

/** What one round of deliveries took. */
export interface Delivery extends Arrivals {
  readonly jobs: number;
  readonly senderCpuNs: number;
  /** From letting the sender begin until the last acknowledgement was seen. */
  readonly elapsedNs: number;
}

/** Until all that arrived must be acknowledged as well. */
const ACKNOWLEDGE_TIMEOUT_MS = 15_000;
const POLL_MS = 20;
/** Work that is put off until the sender is idle belongs to the jobs that caused it. */
const SETTLE_MS = 50;

/** A sender that runs, and the sink that it sends to. */
export class SenderSession {
  readonly sender: RunningSender;
  readonly #sink: Sink;
  #nextId = 1;

  private constructor(sender: RunningSender, sink: Sink) {
    this.sender = sender;
    this.#sink = sink;
  }

  static async open(sender: Sender, sink: Sink, options: SenderOptions): Promise<SenderSession> {
    const running = await sender.start(options);
    try {
      await refuseHelpers(running.child.pid);
      return new SenderSession(running, sink);
    } catch (error) {
      await running.close();
      throw error;
    }
  }

  /** Resolves when every job has arrived and was acknowledged. */
  async deliver(jobs: number, urls: readonly string[]): Promise<Delivery> {
    const firstId = this.#nextId;
    this.#nextId += jobs;
    await this.sender.enqueue(
      Array.from({ length: jobs }, (_, index): WebhookJob => {
        const id = firstId + index;
        const endpoint = index % urls.length;
        return { id, endpoint, url: urls[endpoint] ?? "", body: bodyOf(id) };
      }),
    );
    await this.#sink.expect(firstId, jobs);
    const [cpuBeforeNs, begunNs] = [processCpuNs(this.sender.child.pid), monotonicNs()];
    await this.sender.release();
    const arrivals = await this.#sink.untilArrived();
    await this.#untilAcknowledged();
    const elapsedNs = monotonicNs() - begunNs;
    await sleep(SETTLE_MS);
    const senderCpuNs = processCpuNs(this.sender.child.pid) - cpuBeforeNs;
    return { ...arrivals, jobs, senderCpuNs, elapsedNs };
  }

  close(): Promise<void> {
    return this.sender.close();
  }

  describe(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    const { child } = this.sender;
    return child.ended ? `${text}; the sender ended: ${child.lastWords}` : text;
  }

  async #untilAcknowledged(): Promise<void> {
    const deadlineMs = performance.now() + ACKNOWLEDGE_TIMEOUT_MS;
    for (let backlog = await this.sender.backlog(); backlog > 0;) {
      if (performance.now() > deadlineMs)
        throw new Error(`${backlog} jobs arrived, but were never acknowledged`);
      await sleep(POLL_MS);
      backlog = await this.sender.backlog();
    }
  }
}
