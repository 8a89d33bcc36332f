import type { Lease, LeasedJob } from "../../../sender/ports/job-queue.ts";
import type { Reply } from "../connection.ts";
import { parseStored } from "./stored-text.ts";

/** One that nobody can send. */
export interface UnreadableJob {
  readonly lease: Lease;
  readonly attempts: number;
  readonly spentMs: number;
  /** What is wrong with it. */
  readonly fault: string;
}

export interface TakenJobs {
  readonly jobs: readonly LeasedJob[];
  readonly unreadable: readonly UnreadableJob[];
}

/** What the script that leases answered. */
export function readTaken(reply: Reply): TakenJobs {
  const jobs: LeasedJob[] = [];
  const unreadable: UnreadableJob[] = [];
  for (const row of reply as readonly (readonly Reply[])[]) {
    const [number, token, text = null, tries] = row;
    const [attempts = 0, spentMs = 0, firstAttemptAtMs] =
      typeof tries === "string" ? tries.split(" ").map(Number) : [];
    const lease = { sequence: Number(number), token: Number(token) };
    const parsed = parseStored(text);
    if ("fault" in parsed) unreadable.push({ lease, attempts, spentMs, fault: parsed.fault });
    else jobs.push({ lease, job: parsed.job, attempts, spentMs, firstAttemptAtMs });
  }
  return { jobs, unreadable };
}
