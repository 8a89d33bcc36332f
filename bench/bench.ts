import type { Contestant } from "./contestant.ts";
import type { Sender } from "./sender.ts";

/** What a workload needs to know about the run that it is part of. */
export interface Bench {
  readonly contestants: readonly Contestant[];
  /** Contestants of the workloads that deliver webhooks. */
  readonly senders: readonly Sender[];
  readonly quick: boolean;
  readonly block: boolean;
  /** Says on stderr what is going on, for a run takes minutes. */
  progress(text: string): void;
}
