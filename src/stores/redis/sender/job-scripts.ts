import deadLetterSource from "../lua/dead-letter.lua" with { type: "text" };
import deadLettersSource from "../lua/dead-letters.lua" with { type: "text" };
import dueEndpointsSource from "../lua/due-endpoints.lua" with { type: "text" };
import endpointLoadsSource from "../lua/endpoint-loads.lua" with { type: "text" };
import expireSource from "../lua/expire-jobs.lua" with { type: "text" };
import jobsSource from "../lua/jobs.lua" with { type: "text" };
import leaseSource from "../lua/lease-jobs.lua" with { type: "text" };
import pauseSource from "../lua/pause-endpoint.lua" with { type: "text" };
import pruneSource from "../lua/prune-dead.lua" with { type: "text" };
import putSource from "../lua/put-jobs.lua" with { type: "text" };
import figuresSource from "../lua/queue-figures.lua" with { type: "text" };
import renewSource from "../lua/renew-leases.lua" with { type: "text" };
import replaySource from "../lua/replay-jobs.lua" with { type: "text" };
import resumeSource from "../lua/resume-endpoint.lua" with { type: "text" };
import settleSource from "../lua/settle-jobs.lua" with { type: "text" };
import timeSource from "../lua/time.lua" with { type: "text" };
import { script, type Script } from "../script.ts";

/**
 * For scripts that write a little and free more, or are needed for what does: they run also when memory is full. What puts
 * jobs in does not.
 */
const ALSO_WHEN_FULL = "#!lua flags=allow-oom";

function alsoWhenFull(name: string, ...sources: readonly string[]): Script {
  return script(name, ALSO_WHEN_FULL, timeSource, jobsSource, ...sources);
}

export const JOB_SCRIPTS = {
  put: script("put-jobs", timeSource, jobsSource, putSource),
  dueEndpoints: alsoWhenFull("due-endpoints", dueEndpointsSource),
  lease: alsoWhenFull("lease-jobs", leaseSource),
  renew: alsoWhenFull("renew-leases", renewSource),
  settle: alsoWhenFull("settle-jobs", settleSource),
  expire: alsoWhenFull("expire-jobs", expireSource),
  pause: alsoWhenFull("pause-endpoint", pauseSource),
  resume: alsoWhenFull("resume-endpoint", resumeSource),
  figures: alsoWhenFull("queue-figures", figuresSource),
  endpointLoads: alsoWhenFull("endpoint-loads", endpointLoadsSource),
  deadLetters: alsoWhenFull("dead-letters", deadLetterSource, deadLettersSource),
  replay: alsoWhenFull("replay-jobs", deadLetterSource, replaySource),
  prune: alsoWhenFull("prune-dead", pruneSource),
} as const;
