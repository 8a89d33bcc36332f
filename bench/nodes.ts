import { setTimeout as sleep } from "node:timers/promises";
import { processCpuNs } from "./cpu-clock.ts";
import { CREDENTIALS } from "./pusher-api.ts";
import type { RedisProcess } from "./redis-process.ts";
import { type RingmasterProcess, startRingmaster } from "./ringmaster-process.ts";

/** Some processes with channels that are one server. */
export class Nodes {
  readonly processes: readonly RingmasterProcess[];

  private constructor(processes: readonly RingmasterProcess[]) {
    this.processes = processes;
  }

  static async start(redis: RedisProcess, count: number): Promise<Nodes> {
    const processes: RingmasterProcess[] = [];
    const { appId, key, secret } = CREDENTIALS;
    const app = { id: appId, keys: [{ key, secret }], subscriptionCount: false };
    const keyPrefix = `bench-${crypto.randomUUID()}`;
    for (let i = 0; i < count; i++)
      processes.push(
        await startRingmaster({
          apps: [app],
          roles: ["channels"],
          redis: { url: redis.url, keyPrefix },
        }),
      );
    return new Nodes(processes);
  }

  port(node: number): number {
    return this.processes[node]?.port ?? 0;
  }

  /** Of all nodes together. */
  cpuNs(): number {
    return this.processes.reduce((sum, { child }) => sum + processCpuNs(child.pid), 0);
  }

  cpuNsOf(node: number): number {
    const process = this.processes[node];
    return process === undefined ? 0 : processCpuNs(process.child.pid);
  }

  describe(error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    const ended = this.processes.find(({ child }) => child.ended);
    return ended === undefined ? text : `${text}; a node ended: ${ended.child.lastWords}`;
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map(({ child }) => child.stop()));
  }
}

/** Garbage collection that was put off is counted. */
export async function settle(): Promise<void> {
  await sleep(50);
}
