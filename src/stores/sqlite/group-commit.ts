import type { Database } from "bun:sqlite";
import type { Clock } from "../../channels/ports/clock.ts";
import { codeOf } from "./database.ts";

/** Told once when writing begins to fail for longer than a moment, and once when it works again. */
export interface WriteTrouble {
  began(error: unknown): void;
  ended(lastedMs: number): void;
}

interface Work {
  /** Runs inside a transaction, and again from the start if that fails: it changes nothing but the database. */
  readonly run: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** What may pass by itself: whoever waits loses nothing. */
const TRANSIENT =
  /^SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM|READONLY|CANTOPEN|CORRUPT|NOTADB|PROTOCOL)/;
/** Another process has the lock, most often for less than this. */
const BUSY_RETRY_MS = 2;
const MAX_RETRY_MS = 2_000;
const TROUBLE_AFTER_MS = 3_000;
/** The last that a process does may hold up its event loop: what is not written now is lost. */
const FLUSH_TIMEOUT_MS = 2_000;

/**
 * Writes many small changes in few transactions.
 *
 *   idle ──write──▶ gathering ──(interval since the last commit)──▶ committing ──▶ idle
 *                       ▲                                              │ locked, disk full, …
 *                       └────────────── waiting (back-off) ◀───────────┘
 *
 * Invariants: works run in the order of `write`; a work's promise resolves only when its transaction is on disk as the
 * durability setting says; one work that is wrong by itself is rejected alone; nothing is dropped while the database
 * cannot be written.
 */
export class GroupCommit {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #trouble: WriteTrouble;
  #works: Work[] = [];
  #cancelTimer: (() => void) | undefined;
  #isScheduled = false;
  #lastCommitMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #failingSinceMs: number | undefined;
  #isTroubled = false;

  constructor(db: Database, clock: Clock, intervalMs: number, trouble: WriteTrouble) {
    this.#db = db;
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#trouble = trouble;
  }

  /** Works that are not on disk yet. */
  get waiting(): number {
    return this.#works.length;
  }

  /** False while writing fails for longer than a moment. */
  get isWell(): boolean {
    return !this.#isTroubled;
  }

  write<Result>(run: () => Result): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#works.push({ run, resolve, reject });
      this.#schedule();
    });
  }

  /** Writes what waits, now, and waits for others' locks; false if it could not be. */
  flush(): boolean {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isScheduled = false;
    this.#db.run(`PRAGMA busy_timeout = ${FLUSH_TIMEOUT_MS}`);
    try {
      return this.#commit();
    } finally {
      this.#db.run("PRAGMA busy_timeout = 0");
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const sinceMs = this.#clock.elapsedMs() - this.#lastCommitMs;
    // The first after a pause goes as soon as this turn is over; under load the rest gathers.
    this.#cancelTimer = this.#clock.after(Math.max(0, this.#intervalMs - sinceMs), () => {
      this.#isScheduled = false;
      this.#commit();
    });
  }

  #commit(): boolean {
    const works = this.#works;
    if (works.length === 0) return true;
    const results: unknown[] = [];
    let current: Work | undefined;
    try {
      this.#db.run("BEGIN IMMEDIATE");
      for (current of works) results.push(current.run());
      current = undefined;
      this.#db.run("COMMIT");
    } catch (error) {
      if (this.#db.inTransaction) this.#db.run("ROLLBACK");
      if (current !== undefined && !TRANSIENT.test(codeOf(error))) {
        works.splice(works.indexOf(current), 1);
        current.reject(error);
        return this.#commit();
      }
      this.#failed(error);
      return false;
    }
    this.#works = [];
    this.#lastCommitMs = this.#clock.elapsedMs();
    this.#recovered();
    for (let i = 0; i < works.length; i++) works[i]?.resolve(results[i] as never);
    return true;
  }

  #failed(error: unknown): void {
    const now = this.#clock.elapsedMs();
    this.#failingSinceMs ??= now;
    this.#failures++;
    const isBusy = codeOf(error).startsWith("SQLITE_BUSY");
    if (!this.#isTroubled && (!isBusy || now - this.#failingSinceMs >= TROUBLE_AFTER_MS)) {
      this.#isTroubled = true;
      this.#trouble.began(error);
    }
    const delayMs = isBusy
      ? BUSY_RETRY_MS * (1 + Math.random())
      : Math.min(MAX_RETRY_MS, 50 * 2 ** Math.min(this.#failures, 10));
    this.#isScheduled = true;
    this.#cancelTimer = this.#clock.after(delayMs, () => {
      this.#isScheduled = false;
      this.#commit();
    });
  }

  #recovered(): void {
    if (this.#failingSinceMs === undefined) return;
    const lastedMs = this.#clock.elapsedMs() - this.#failingSinceMs;
    this.#failingSinceMs = undefined;
    this.#failures = 0;
    if (!this.#isTroubled) return;
    this.#isTroubled = false;
    this.#trouble.ended(lastedMs);
  }

  close(): void {
    this.#cancelTimer?.();
    this.#isScheduled = true;
  }
}
