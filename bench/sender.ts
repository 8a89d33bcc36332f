import type { Child } from "./child.ts";
import type { ContestantName } from "./contestant.ts";
import type { WebhookJob } from "./webhook-job.ts";

/** A program that delivers webhooks. */
export interface Sender {
  readonly name: ContestantName;
  /** Resolves once it waits for jobs; rejects with what it said, or with how to install what it needs. */
  start(options: SenderOptions): Promise<RunningSender>;
}

export interface SenderOptions {
  /** A file with the certificate of whoever signed the sink's; null where it is plain HTTP. */
  readonly caFile: string | null;
}

export interface RunningSender {
  /** The process whose CPU time counts. */
  readonly child: Child;
  /** Puts jobs where it takes them from, and holds them back. */
  enqueue(jobs: readonly WebhookJob[]): Promise<void>;
  /** Lets it begin. */
  release(): Promise<void>;
  /** Jobs that it has not acknowledged. */
  backlog(): Promise<number>;
  close(): Promise<void>;
}
