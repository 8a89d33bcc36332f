import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/channels/ports/clock.ts";
import { SqliteStore } from "../../src/stores/sqlite/store.ts";
import { recorder } from "../support/ring.ts";

const FILE = "ringmaster.db";

/** A store's files in folders of their own, and the processes that have them open. */
export class SqliteFiles {
  #folder = newFolder();
  readonly #folders = [this.#folder];
  #open: SqliteStore[] = [];

  get file(): string {
    return join(this.#folder, FILE);
  }

  /** What another process would have. Time is the clock's, but its calls get done while that stands still. */
  open(clock: Clock): SqliteStore {
    const store = new SqliteStore({
      file: this.file,
      durability: "process",
      commitIntervalMs: 0,
      clock: {
        now: () => clock.now(),
        elapsedMs: () => clock.elapsedMs(),
        after(delayMs, callback) {
          const timer = setTimeout(callback, delayMs);
          return () => clearTimeout(timer);
        },
      },
      log: recorder([]),
    });
    this.#open.push(store);
    return store;
  }

  /** Resolves when all that was recorded is on disk: works are done in their order, and this one comes behind them. */
  async written(): Promise<void> {
    for (const store of this.#open) await store.queue.renew([], 0);
  }

  /** All processes die as they stand: whoever opens the store from now on finds what is on disk at this moment. */
  crash(): void {
    const folder = newFolder();
    for (const suffix of ["", "-wal"]) {
      if (existsSync(this.file + suffix))
        copyFileSync(this.file + suffix, join(folder, FILE + suffix));
    }
    this.#folder = folder;
    this.#folders.push(folder);
  }

  close(): void {
    for (const store of this.#open) store.close();
    this.#open = [];
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "ringmaster-sqlite-"));
}
