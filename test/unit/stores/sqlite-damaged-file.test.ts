import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseFault, openDatabase } from "../../../src/stores/sqlite/database.ts";
import { APPLICATION_ID, SCHEMA_VERSION } from "../../../src/stores/sqlite/schema.ts";

const DAMAGED = /^\S+ringmaster\.db is damaged \([^\n]+\); restore a backup, or move the file away/;

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringmaster-damaged-"));
  file = join(folder, "ringmaster.db");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function insertEvents(db: Database, count: number): void {
  db.transaction(() => {
    for (let i = 0; i < count; i++)
      db.run("INSERT INTO events (at, app, channel, name, json) VALUES (?, '1', ?, 'n', ?)", [
        i,
        `channel-${i}`,
        "x".repeat(500),
      ]);
  })();
}

/** A file of ours of about a megabyte; `inLog` more events are in its log alone, as after a crash. */
function writeDatabase(inLog = 0): void {
  const grown = join(folder, "grown.db");
  const db = openDatabase(grown, "process");
  insertEvents(db, 2_000);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  if (inLog > 0) insertEvents(db, inLog);
  copyFileSync(grown, file);
  if (inLog > 0) copyFileSync(`${grown}-wal`, `${file}-wal`);
  db.close();
}

/** What opening is refused with; the file and its log must be byte for byte what they were. */
function refusal(): string {
  const names = [file, `${file}-wal`].filter((name) => existsSync(name));
  const before = names.map((name) => readFileSync(name).toString("base64"));
  let message = "";
  try {
    openDatabase(file, "process").close();
  } catch (error) {
    if (!(error instanceof DatabaseFault)) throw error;
    ({ message } = error);
  }
  expect(names.map((name) => existsSync(name) && readFileSync(name).toString("base64"))).toEqual(
    before,
  );
  return message;
}

function overwrite(offset: number, length: number): void {
  const bytes = readFileSync(file);
  crypto.getRandomValues(bytes.subarray(offset, offset + length));
  writeFileSync(file, bytes);
}

describe("a damaged file is refused, and left as it is:", () => {
  test("its first bytes are random", () => {
    writeDatabase();
    overwrite(0, 100);
    expect(refusal()).toMatch(DAMAGED);
  });

  test("its header tells of a database, and the rest of the first page is random", () => {
    writeDatabase();
    overwrite(100, 3_000);
    expect(refusal()).toMatch(DAMAGED);
  });

  test.each([0.25, 0.5, 0.75])("its pages are random from %d of its length on", (part) => {
    writeDatabase();
    const { size } = statSync(file);
    overwrite(Math.floor(size * part), 40_000);
    expect(refusal()).toMatch(DAMAGED);
  });

  test.each([0.25, 0.9])("it was cut off at %d of its length", (part) => {
    writeDatabase();
    truncateSync(file, Math.floor(statSync(file).size * part));
    expect(refusal()).toMatch(DAMAGED);
  });

  test("it is a text", () => {
    writeFileSync(file, "this is no database\n".repeat(1_000));
    expect(refusal()).toMatch(DAMAGED);
  });

  test("it is shorter than any database", () => {
    writeFileSync(file, "no database");
    expect(refusal()).toMatch(DAMAGED);
  });

  test("pages in its middle are random, and its log has more: what could be rescued from both is there still", () => {
    writeDatabase(200);
    overwrite(Math.floor(statSync(file).size / 2), 40_000);
    expect(refusal()).toMatch(DAMAGED);
  });
});

describe("a file that is not for this version is refused, and left as it is:", () => {
  test("another program's", () => {
    const db = new Database(file);
    db.exec("CREATE TABLE accounts (id INTEGER); INSERT INTO accounts VALUES (1)");
    db.close();
    expect(refusal()).toBe(
      `${file} is the database of another program; give another database.file`,
    );
  });

  test("another program's that has the same tables", () => {
    writeDatabase();
    const db = new Database(file);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID + 1}`);
    db.close();
    expect(refusal()).toMatch(/is the database of another program/);
  });

  test.each([0, 200])("a newer version's, with %d events in its log", (inLog) => {
    const grown = join(folder, "newer.db");
    const db = openDatabase(grown, "process");
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}; PRAGMA wal_checkpoint(TRUNCATE)`);
    if (inLog > 0) insertEvents(db, inLog);
    for (const suffix of inLog > 0 ? ["", "-wal"] : [""])
      copyFileSync(grown + suffix, file + suffix);
    db.close();
    expect(refusal()).toContain(
      `was written by a newer Ringmaster (tables of version ${SCHEMA_VERSION + 1}, this one knows ${SCHEMA_VERSION})`,
    );
  });

  test("a folder", () => {
    mkdirSync(file);
    expect(() => openDatabase(file, "process")).toThrow(/ringmaster\.db cannot be opened/);
  });
});

describe("a file is opened", () => {
  test("when there is none, with its folders", () => {
    file = join(folder, "a", "b", "ringmaster.db");
    openDatabase(file, "process").close();
    expect(statSync(file).size).toBeGreaterThan(0);
  });

  test("when it is empty", () => {
    writeFileSync(file, "");
    openDatabase(file, "process").close();
    openDatabase(file, "process").close();
  });

  test("with what is in its log alone, as a process that was killed leaves it", () => {
    writeDatabase(200);
    const db = openDatabase(file, "process");
    expect(db.query("SELECT count(*) AS events FROM events").get()).toEqual({ events: 2_200 });
    db.close();
  });

  test("without what a power cut has torn at the end of its log", () => {
    writeDatabase(200);
    const log = readFileSync(`${file}-wal`);
    writeFileSync(`${file}-wal`, log.subarray(0, log.length - 5_000));
    const db = openDatabase(file, "process");
    expect(db.query("SELECT count(*) AS events FROM events").get()).toEqual({ events: 2_000 });
    expect(db.query("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    db.close();
  });

  test("while another process has it open, and writes", () => {
    const first = openDatabase(file, "process");
    insertEvents(first, 10);
    const second = openDatabase(file, "process");
    insertEvents(first, 10);
    expect(second.query("SELECT count(*) AS events FROM events").get()).toEqual({ events: 20 });
    first.close();
    insertEvents(second, 10);
    second.close();
  });
});

test("a file that another program keeps locked is refused after five seconds, with a sentence", () => {
  writeDatabase();
  const other = new Database(file);
  other.exec("BEGIN EXCLUSIVE");
  const startedAtMs = performance.now();
  expect(() => openDatabase(file, "process")).toThrow(
    `${file} is locked by another program for more than 5000 ms; end it, or give another database.file`,
  );
  expect(performance.now() - startedAtMs).toBeGreaterThan(4_900);
  other.close();
}, 30_000);
