import dueEndpointsSource from "./lua/due-endpoints.lua" with { type: "text" };
import endpointLoadsSource from "./lua/endpoint-loads.lua" with { type: "text" };
import deadLettersSource from "./lua/dead-letters.lua" with { type: "text" };
import expireSource from "./lua/expire-jobs.lua" with { type: "text" };
import jobsSource from "./lua/jobs.lua" with { type: "text" };
import leaseSource from "./lua/lease-jobs.lua" with { type: "text" };
import pauseSource from "./lua/pause-endpoint.lua" with { type: "text" };
import pruneSource from "./lua/prune-dead.lua" with { type: "text" };
import putSource from "./lua/put-jobs.lua" with { type: "text" };
import figuresSource from "./lua/queue-figures.lua" with { type: "text" };
import renewSource from "./lua/renew-leases.lua" with { type: "text" };
import replaySource from "./lua/replay-jobs.lua" with { type: "text" };
import resumeSource from "./lua/resume-endpoint.lua" with { type: "text" };
import settleSource from "./lua/settle-jobs.lua" with { type: "text" };
import timeSource from "./lua/time.lua" with { type: "text" };
import { script, type Script } from "./script.ts";

/** Scripts that write a little and free more: they run also when memory is full. */
const ALSO_WHEN_FULL = "#!lua flags=allow-oom";

function ofQueue(name: string, source: string): Script {
  return script(name, timeSource, jobsSource, source);
}

function freeing(name: string, source: string): Script {
  return script(name, ALSO_WHEN_FULL, timeSource, jobsSource, source);
}

export const JOB_SCRIPTS = {
  put: ofQueue("put-jobs", putSource),
  dueEndpoints: freeing("due-endpoints", dueEndpointsSource),
  lease: freeing("lease-jobs", leaseSource),
  renew: freeing("renew-leases", renewSource),
  settle: freeing("settle-jobs", settleSource),
  expire: freeing("expire-jobs", expireSource),
  pause: freeing("pause-endpoint", pauseSource),
  resume: freeing("resume-endpoint", resumeSource),
  figures: freeing("queue-figures", figuresSource),
  endpointLoads: freeing("endpoint-loads", endpointLoadsSource),
  deadLetters: freeing("dead-letters", deadLettersSource),
  replay: freeing("replay-jobs", replaySource),
  prune: freeing("prune-dead", pruneSource),
} as const;
