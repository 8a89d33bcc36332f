import type { MemoryEndpoint } from "./stored-job.ts";

/**
 * Who is next: apps take turns, and in its app's turn each endpoint does.
 *
 * Both lines are walked while they change: a `Set` or `Map` comes again to what was put back at its end. So whoever took a
 * turn stands behind all others, in this walk and in the next, and whoever could not take one keeps its place for the next.
 */
export class DueLine {
  /** By app id; no line is empty. */
  readonly #apps = new Map<string, Set<MemoryEndpoint>>();

  add(endpoint: MemoryEndpoint): void {
    const line = this.#apps.get(endpoint.appId);
    if (line === undefined) this.#apps.set(endpoint.appId, new Set([endpoint]));
    else line.add(endpoint);
  }

  delete(endpoint: MemoryEndpoint): void {
    const line = this.#apps.get(endpoint.appId);
    line?.delete(endpoint);
    if (line?.size === 0) this.#apps.delete(endpoint.appId);
  }

  /**
   * Goes round until so many turns were taken, or nobody takes one any more. `take` answers whether the endpoint took the
   * turn that it is offered; one that did not is offered none again.
   */
  giveTurns(turns: number, take: (endpoint: MemoryEndpoint) => boolean): void {
    const walks = new Map<string, Iterator<MemoryEndpoint>>();
    let left = turns;
    for (const [appId, line] of this.#apps) {
      if (left <= 0) return;
      const walk = walks.get(appId) ?? line.values();
      walks.set(appId, walk);
      if (!giveTurn(walk, line, take)) continue;
      left--;
      if (this.#apps.delete(appId)) this.#apps.set(appId, line);
    }
  }
}

function giveTurn(
  walk: Iterator<MemoryEndpoint>,
  line: Set<MemoryEndpoint>,
  take: (endpoint: MemoryEndpoint) => boolean,
): boolean {
  for (let next = walk.next(); next.done !== true; next = walk.next()) {
    const endpoint = next.value;
    if (!take(endpoint)) continue;
    if (line.delete(endpoint)) line.add(endpoint);
    return true;
  }
  return false;
}
