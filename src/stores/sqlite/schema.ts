import type { Database } from "bun:sqlite";

/** Raised with every change of the tables. A file of a newer version is refused, an older one is brought forward. */
export const SCHEMA_VERSION = 1;

/** "RMST": tells our files from other people's. */
export const APPLICATION_ID = 0x524d5354;

/** Where a job is that is not leased; a leased one is due and stands in a lease. */
export const DUE = 0;
export const DELAYED = 1;

/**
 * The tables, from the edge to the customer. `jobs`, `leases` and `paused` are a public contract
 * (docs/specs/job-queue-sqlite.md): a sender in another language may take part. All times are wall time in milliseconds.
 *
 *   channels, members   who was where when the process was last heard of
 *   events              what happened and is not settled yet; handled: for which webhooks it is in a job already
 *   ownership           who may settle events: the epoch fences off whoever owned the partition before
 *   jobs                due (0) or delayed (1); a job that is delivered is gone. Its body stands beside it (or, where that
 *                       is null, in it)
 *   leases              who has which jobs until when; `jobs` is a JSON list of their seq
 *   done                jobs that are delivered, as JSON lists of their seq, for as long as they are not deleted yet
 *   dead_letters        given up
 *   attempts            what was tried, for people
 *   senders             which senders are alive, and how they fare; each row ends by itself
 *
 * What a commit costs is the pages it changes, about 10 us each, and a page holds three jobs. So a job is written when it
 * comes and deleted when it goes, hundreds at a time (emptied pages need not be written); between the two only the lists
 * in `leases` and `done` change.
 */
const SCHEMA = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE channels (
  app TEXT NOT NULL, channel TEXT NOT NULL, told_count INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (app, channel)
) WITHOUT ROWID;
CREATE TABLE members (
  app TEXT NOT NULL, channel TEXT NOT NULL, user TEXT NOT NULL,
  PRIMARY KEY (app, channel, user)
) WITHOUT ROWID;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
  app TEXT NOT NULL, channel TEXT NOT NULL, name TEXT NOT NULL, user TEXT, json TEXT NOT NULL
);
CREATE TABLE handled (
  seq INTEGER NOT NULL, webhook TEXT NOT NULL, PRIMARY KEY (seq, webhook)
) WITHOUT ROWID;
CREATE TABLE ownership (partition INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  app TEXT NOT NULL, endpoint TEXT NOT NULL, version INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, due_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  waiting_since INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, spent_ms INTEGER NOT NULL DEFAULT 0, first_attempt_at INTEGER,
  job TEXT NOT NULL, body TEXT
);
CREATE INDEX jobs_due ON jobs (app, endpoint, due_at, seq, version) WHERE state = 0;
CREATE INDEX jobs_delayed ON jobs (due_at) WHERE state = 1;
CREATE TABLE leases (
  token INTEGER PRIMARY KEY, taken_at INTEGER NOT NULL, until INTEGER NOT NULL, jobs TEXT NOT NULL
);
CREATE TABLE done (seq INTEGER PRIMARY KEY, jobs TEXT NOT NULL);
CREATE TABLE paused (endpoint TEXT PRIMARY KEY, reason TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL, app TEXT NOT NULL, endpoint TEXT NOT NULL, version INTEGER NOT NULL,
  job TEXT NOT NULL, body TEXT,
  reason TEXT NOT NULL, attempts INTEGER NOT NULL, at INTEGER NOT NULL
);
CREATE INDEX dead_letters_id ON dead_letters (id);
CREATE INDEX dead_letters_endpoint ON dead_letters (endpoint);

CREATE TABLE attempts (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL,
  app TEXT NOT NULL, webhook TEXT NOT NULL, job TEXT NOT NULL, events TEXT NOT NULL,
  attempt INTEGER NOT NULL, result TEXT NOT NULL, status INTEGER,
  duration_ms INTEGER NOT NULL, age_ms INTEGER NOT NULL, detail TEXT, sender_version TEXT NOT NULL
);
`;

/**
 * Tables that came later and that nobody is harmed by who does not know them. They are made where they are missing and do not
 * raise the version: a release before them goes on with the file, beside one that has them.
 */
const LATER_TABLES = `
CREATE TABLE IF NOT EXISTS senders (
  id TEXT PRIMARY KEY, until INTEGER NOT NULL, ttl_ms INTEGER NOT NULL, report TEXT NOT NULL
) WITHOUT ROWID;
`;

export function createLaterTables(db: Database): void {
  db.exec(LATER_TABLES);
}

export function createSchema(db: Database): void {
  db.exec(SCHEMA);
  db.run("INSERT INTO meta (name, value) VALUES ('log', ?)", [logName()]);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`);
}

/** Makes event ids of this file differ from those of any file before it, although both count from 1. */
function logName(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString("hex");
}
