import { closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Database } from "bun:sqlite";
import { APPLICATION_ID, SCHEMA_VERSION, createLaterTables, createSchema } from "./schema.ts";

/** `process`: a commit survives the end of the process. `power`: also that of the machine, for a disk flush a commit. */
export type Durability = "process" | "power";

/** A database that cannot be used; the message says what to do. */
export class DatabaseFault extends Error {
  override readonly name = "DatabaseFault";
}

/** Reading all of a larger file would make the start slow. */
const CHECKED_UP_TO_BYTES = 256 * 1024 * 1024;
/** Pages that many jobs share stay in memory between commits. */
const CACHE_KIB = 16 * 1024;
/** 8 MB of log. The longer it may grow, the more changes of a page are copied as one, and the longer that takes: 15 ms. */
const CHECKPOINT_PAGES = 2_000;
/** Of the start alone: another process may be creating the tables at this moment. */
const OPEN_TIMEOUT_MS = 5_000;

/**
 * Opens the file, or makes it. Throws `DatabaseFault` when it cannot be used: no place for it, damaged, somebody else's, or
 * of a newer version.
 */
export function openDatabase(file: string, durability: Durability): Database {
  try {
    if (file !== ":memory:") {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      inspectDatabase(file);
      // What customers' events say is in it. SQLite gives its other files the same mode.
      closeSync(openSync(file, "a", 0o600));
    }
    const db = new Database(file, { create: true });
    try {
      prepare(db, file, durability);
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof DatabaseFault) throw error;
    throw new DatabaseFault(openingFault(file, error), { cause: error });
  }
}

/**
 * Throws before a byte is changed: the file may be somebody else's, or what is left to rescue. A connection that may write
 * would change the format of the first, and copy the log into the second on closing it.
 */
export function inspectDatabase(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return;
  const db = new Database(file, { readonly: true });
  try {
    db.exec(`PRAGMA busy_timeout = ${OPEN_TIMEOUT_MS}`);
    if (size <= CHECKED_UP_TO_BYTES) {
      const found = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
      if (found?.quick_check !== "ok") throw damaged(file, found?.quick_check ?? "no answer");
    }
    if (hasTables(db)) checkOwner(db, file);
  } finally {
    db.close();
  }
}

function prepare(db: Database, file: string, durability: Durability): void {
  db.exec(`PRAGMA busy_timeout = ${OPEN_TIMEOUT_MS}`);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(`PRAGMA synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`);
  // Freed pages are used again, and what the log holds is no secret of other users: no need to overwrite it.
  db.exec("PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;");
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.transaction(() => migrate(db, file)).immediate();
  // From here on a lock is waited for without holding up the event loop: see GroupCommit.
  db.exec("PRAGMA busy_timeout = 0");
}

function migrate(db: Database, file: string): void {
  // Another process may have made them since they were looked at, or a newer one changed them.
  if (hasTables(db)) checkOwner(db, file);
  else createSchema(db);
  createLaterTables(db);
}

function hasTables(db: Database): boolean {
  return db.query("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== null;
}

function checkOwner(db: Database, file: string): void {
  if (pragma(db, "application_id") !== APPLICATION_ID)
    throw new DatabaseFault(
      `${file} is the database of another program; give another database.file`,
    );
  const version = pragma(db, "user_version");
  if (version > SCHEMA_VERSION) {
    throw new DatabaseFault(
      `${file} was written by a newer Ringmaster (tables of version ${version}, this one knows ${SCHEMA_VERSION}); ` +
        "run that version, or give another database.file",
    );
  }
}

function pragma(db: Database, name: string): number {
  return Number(Object.values(db.query(`PRAGMA ${name}`).get() as object)[0]);
}

/** What is wrong with a file that could not be opened, and what to do about it. */
export function openingFault(file: string, error: unknown): string {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return damaged(file, message).message;
  if (code.startsWith("SQLITE_BUSY"))
    return `${file} is locked by another program for more than ${OPEN_TIMEOUT_MS} ms; end it, or give another database.file`;
  return `${file} cannot be opened (${message}); give a database.file in a folder of a local disk that can be written`;
}

/** The finding may be of several lines, where a message is one. */
function damaged(file: string, finding: string): DatabaseFault {
  return new DatabaseFault(
    `${file} is damaged (${finding.replaceAll(/\s+/g, " ")}); restore a backup, or move the file away together with its -wal and -shm to start ` +
      "with an empty one: webhooks that were waiting in it are lost then (docs/operations.md tells how to rescue them)",
  );
}

/** `SQLITE_FULL`, `SQLITE_BUSY_SNAPSHOT`, …; empty for an error that is none of SQLite's. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}
