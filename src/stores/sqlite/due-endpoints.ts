import type { Database, Statement } from "bun:sqlite";

/** A round of all endpoints may be looked for this often: it costs a step for each endpoint that has jobs. */
const FULL_LOOK_INTERVAL_MS = 1_000;

interface Place {
  readonly app: string;
  readonly endpoint: string;
}

/**
 * Which endpoints have jobs that are due, in the order of their turns: apps take turns, and the endpoints of an app.
 *
 * It is a hint kept in memory, so that a lease need not walk past endpoints whose jobs it may not have: an endpoint may
 * stand here without jobs, and one that another process made due is found within a second.
 */
export class DueEndpoints {
  readonly #apps = new Map<string, Set<string>>();
  readonly #added: Statement<Place & { last: number }, [number]>;
  readonly #next: Statement<Place, [string, string]>;
  readonly #first: Statement<Place, []>;
  #lastSequence = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(db: Database) {
    this.#added = db.prepare(
      "SELECT app, endpoint, max(seq) AS last FROM jobs WHERE seq > ? GROUP BY app, endpoint",
    );
    this.#first = db.prepare(
      "SELECT app, endpoint FROM jobs INDEXED BY jobs_due WHERE state = 0 ORDER BY app, endpoint LIMIT 1",
    );
    this.#next = db.prepare(
      "SELECT app, endpoint FROM jobs INDEXED BY jobs_due WHERE state = 0 AND (app, endpoint) > (?, ?) ORDER BY app, endpoint LIMIT 1",
    );
  }

  get apps(): number {
    return this.#apps.size;
  }

  add(app: string, endpoint: string): void {
    let endpoints = this.#apps.get(app);
    if (endpoints === undefined) this.#apps.set(app, (endpoints = new Set()));
    endpoints.add(endpoint);
  }

  delete(app: string, endpoint: string): void {
    const endpoints = this.#apps.get(app);
    endpoints?.delete(endpoint);
    if (endpoints?.size === 0) this.#apps.delete(app);
  }

  /** Finds what was added since the last look, and once a second everything. */
  look(elapsedMs: number): void {
    if (elapsedMs - this.#lookedAtMs >= FULL_LOOK_INTERVAL_MS) {
      this.#lookedAtMs = elapsedMs;
      let place = this.#first.get();
      while (place !== null) {
        this.add(place.app, place.endpoint);
        place = this.#next.get(place.app, place.endpoint);
      }
    }
    for (const { app, endpoint, last } of this.#added.all(this.#lastSequence)) {
      this.add(app, endpoint);
      this.#lastSequence = Math.max(this.#lastSequence, last);
    }
  }

  /**
   * Goes round: each app in its turn, and in it each endpoint in its turn, takes some of what is left, until nothing is
   * left or nobody takes any more. `has` is asked once for each endpoint, `take` answers how many were taken, at most as
   * many as it is offered; one that took goes to the end of its line.
   */
  goRound(
    left: number,
    has: (app: string, endpoint: string) => boolean,
    take: (app: string, endpoint: string, most: number) => number,
  ): void {
    const lines = new Map<string, string[]>();
    for (const [app, endpoints] of this.#apps) {
      const line = [...endpoints].filter((endpoint) => has(app, endpoint));
      if (line.length > 0) lines.set(app, line);
    }
    while (left > 0 && lines.size > 0) {
      const share = Math.max(1, Math.floor(left / lines.size));
      for (const [app, line] of lines) {
        const endpoint = line.shift();
        if (endpoint === undefined) continue;
        const taken = take(app, endpoint, Math.min(share, left));
        left -= taken;
        if (taken > 0) {
          this.#wasServed(app, endpoint);
          line.push(endpoint);
        }
        if (line.length === 0) lines.delete(app);
        if (left === 0) break;
      }
    }
  }

  #wasServed(app: string, endpoint: string): void {
    const endpoints = this.#apps.get(app);
    if (endpoints === undefined) return;
    this.#apps.delete(app);
    this.#apps.set(app, endpoints);
    if (endpoints.delete(endpoint)) endpoints.add(endpoint);
  }
}
