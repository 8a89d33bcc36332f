import type { Database, Statement } from "bun:sqlite";

/** A round of all endpoints may be looked for this often: it costs a step for each endpoint that has jobs. */
const FULL_LOOK_INTERVAL_MS = 1_000;

interface Place {
  readonly app: string;
  readonly endpoint: string;
}

/** Who wants jobs, where they are, and who gets them. */
export interface Round<Job> {
  /** How many more the endpoint may have. */
  room(app: string, endpoint: string): number;
  /** The next of the endpoint's jobs, none of them twice; fewer than asked for when there are no more. */
  next(app: string, endpoint: string, most: number): readonly Job[];
  take(app: string, endpoint: string, job: Job): void;
}

interface Line<Job> {
  readonly endpoint: string;
  readonly jobs: Job[];
  isSpent: boolean;
}

/**
 * Which endpoints have jobs that are due, in the order of their turns: apps take turns, and the endpoints of an app.
 *
 * It is a hint kept in memory, so that a lease need not walk past endpoints whose jobs it may not have: an endpoint may
 * stand here without jobs, and one that another process made due is found within a second.
 */
export class DueEndpoints {
  readonly #apps = new Map<string, Set<string>>();
  readonly #newest: Statement<{ seq: number | null }, []>;
  readonly #added: Statement<Place, [number]>;
  readonly #next: Statement<Place, [string, string]>;
  readonly #first: Statement<Place, []>;
  #lastSequence = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(db: Database) {
    this.#newest = db.prepare("SELECT max(seq) AS seq FROM jobs");
    this.#added = db.prepare("SELECT DISTINCT app, endpoint FROM jobs WHERE seq > ?");
    this.#first = db.prepare(
      "SELECT app, endpoint FROM jobs INDEXED BY jobs_due WHERE state = 0 ORDER BY app, endpoint LIMIT 1",
    );
    this.#next = db.prepare(
      "SELECT app, endpoint FROM jobs INDEXED BY jobs_due WHERE state = 0 AND (app, endpoint) > (?, ?) ORDER BY app, endpoint LIMIT 1",
    );
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
    const newest = this.#newest.get()?.seq ?? 0;
    if (newest <= this.#lastSequence) return;
    for (const { app, endpoint } of this.#added.all(this.#lastSequence)) this.add(app, endpoint);
    this.#lastSequence = newest;
  }

  /**
   * Hands out so many jobs, one at a time: apps take turns, and the endpoints of an app, until nobody may have more or has
   * any. Jobs are looked up a share at a time; what nobody takes stays as it is.
   */
  goRound<Job>(left: number, round: Round<Job>): void {
    const lines = new Map<string, Line<Job>[]>();
    let endpointsLeft = 0;
    for (const [app, endpoints] of this.#apps) {
      const open = [...endpoints].filter((endpoint) => round.room(app, endpoint) > 0);
      if (open.length === 0) continue;
      endpointsLeft += open.length;
      lines.set(
        app,
        open.map((endpoint) => ({ endpoint, jobs: [], isSpent: false })),
      );
    }
    while (left > 0 && lines.size > 0) {
      for (const [app, line] of lines) {
        const share = Math.max(1, Math.ceil(left / endpointsLeft));
        const before = line.length;
        if (this.#takeTurn(app, line, share, round)) left--;
        endpointsLeft -= before - line.length;
        if (line.length === 0) lines.delete(app);
        if (left === 0) return;
      }
    }
  }

  /** The first of the line that may have a job and has one takes it and goes to the end. Others leave the line. */
  #takeTurn<Job>(app: string, line: Line<Job>[], share: number, round: Round<Job>): boolean {
    for (;;) {
      const first = line.shift();
      if (first === undefined) return false;
      const { endpoint, jobs } = first;
      const room = round.room(app, endpoint);
      if (room <= 0) continue;
      if (jobs.length === 0 && !first.isSpent) {
        const most = Math.min(share, room);
        jobs.push(...round.next(app, endpoint, most));
        first.isSpent = jobs.length < most;
      }
      const job = jobs.shift();
      if (job === undefined) {
        this.delete(app, endpoint);
        continue;
      }
      round.take(app, endpoint, job);
      line.push(first);
      this.#wasServed(app, endpoint);
      return true;
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
