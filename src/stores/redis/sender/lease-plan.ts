import { endpointIdOf } from "../../../protocol/webhook.ts";
import type { LeasedJob, LeaseRequest } from "../../../sender/ports/job-queue.ts";

/** An endpoint that has jobs to lease. */
export interface DueEndpoint {
  readonly version: string;
  readonly appId: string;
  readonly endpointId: string;
  readonly due: number;
}

export interface PlannedLease extends DueEndpoint {
  count: number;
}

export interface LeasePlan {
  /** In the order of their last turns. */
  readonly leases: readonly PlannedLease[];
  /** So many jobs more were asked for, but those endpoints have no more, or no room for more. */
  readonly missing: number;
}

/**
 * Hands out turns by what was known of the endpoints a moment ago, in one turn of the event loop: apps take turns, and the
 * endpoints of an app. Whose last turn came last stands at the end. `leased` is what an earlier attempt got.
 */
export function planLease(
  due: readonly DueEndpoint[],
  request: LeaseRequest,
  leased: readonly LeasedJob[],
): LeasePlan {
  let missing = request.max() - leased.length;
  if (missing <= 0) return { leases: [], missing: 0 };
  for (const { job } of leased) request.took(job.appId, endpointIdOf(job.appId, job.webhookId), 1);
  const apps = new Map<string, PlannedLease[]>();
  for (const endpoint of due) {
    const line = apps.get(endpoint.appId);
    const planned = { ...endpoint, count: 0 };
    if (line === undefined) apps.set(endpoint.appId, [planned]);
    else line.push(planned);
  }
  const served = new Set<PlannedLease>();
  while (missing > 0 && apps.size > 0) {
    for (const [appId, line] of apps) {
      if (missing === 0) break;
      const planned = takeTurn(line, request);
      if (planned === undefined) {
        apps.delete(appId);
        continue;
      }
      missing--;
      served.delete(planned);
      served.add(planned);
    }
  }
  return { leases: [...served], missing };
}

/** The first of the line that may have one more takes it, and goes to its end; those that may not leave it. */
function takeTurn(line: PlannedLease[], request: LeaseRequest): PlannedLease | undefined {
  for (;;) {
    const first = line.shift();
    if (first === undefined) return undefined;
    const { appId, endpointId, due } = first;
    if (first.count >= due || request.room(appId, endpointId) <= 0) continue;
    first.count++;
    request.took(appId, endpointId, 1);
    line.push(first);
    return first;
  }
}
