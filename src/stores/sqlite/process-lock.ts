import { Database } from "bun:sqlite";
import { codeOf, DatabaseFault, openingFault } from "./database.ts";

/**
 * A right that one process of the machine has at a time. The system takes it back the moment that the process is gone,
 * however it went: a lock in a file of SQLite's, for the runtime has no other.
 */
export class ProcessLock {
  readonly #file: string;
  #held: Database | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** True when this process has it now; false while another has. Throws `DatabaseFault` where there can be no such file. */
  acquire(): boolean {
    if (this.#held !== undefined) return true;
    let db: Database | undefined;
    try {
      db = new Database(this.#file, { create: true });
      db.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
      this.#held = db;
      return true;
    } catch (error) {
      db?.close();
      if (codeOf(error).startsWith("SQLITE_BUSY")) return false;
      throw new DatabaseFault(openingFault(this.#file, error), { cause: error });
    }
  }

  release(): void {
    this.#held?.close();
    this.#held = undefined;
  }
}
