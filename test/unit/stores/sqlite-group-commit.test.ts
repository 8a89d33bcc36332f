import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { openDatabase } from "../../../src/stores/sqlite/database.ts";
import { GroupCommit } from "../../../src/stores/sqlite/group-commit.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { settled } from "../../support/ring.ts";

const INTERVAL_MS = 2;

let folder: string;
let db: Database;
/** What is committed, as another process sees it. */
let reader: Database;
let clock: FakeClock;
let commits: GroupCommit;
let troubles: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ringmaster-commit-"));
  db = openDatabase(join(folder, "test.db"), "process");
  db.exec("CREATE TABLE noted (place INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT UNIQUE)");
  reader = new Database(join(folder, "test.db"));
  clock = new FakeClock();
  troubles = [];
  commits = new GroupCommit(db, clock, INTERVAL_MS, {
    began: (error) => troubles.push(`began: ${String(error)}`),
    ended: (lastedMs) => troubles.push(`ended after ${lastedMs}`),
  });
});

afterEach(() => {
  commits.close();
  db.close();
  reader.close();
  rmSync(folder, { recursive: true });
});

function note(text: string): void {
  db.run("INSERT INTO noted (text) VALUES (?)", [text]);
}

function noted(): string[] {
  const rows = reader.query<{ text: string }, []>("SELECT text FROM noted ORDER BY place").all();
  return rows.map(({ text }) => text);
}

/** Fails so often, as SQLite would, and then does its work. */
function failing(times: number, code: string, work: () => void): () => void {
  let left = times;
  return () => {
    work();
    if (left-- > 0) throw Object.assign(new Error(`as ${code}`), { code });
  };
}

/** The outcome, as soon as there is one. */
function watch(promise: Promise<unknown>): { outcome: string } {
  const seen = { outcome: "none" };
  promise.then(
    () => void (seen.outcome = "written"),
    (error: unknown) => void (seen.outcome = String(error)),
  );
  return seen;
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await settled();
}

describe("a group of works", () => {
  test("is one transaction, in the order of the calls, and each caller gets its own result", async () => {
    const results = ["a", "b", "c"].map((text) =>
      commits.write(() => {
        note(text);
        return text.toUpperCase();
      }),
    );
    expect(commits.waiting).toBe(3);
    expect(noted()).toEqual([]);
    await pass(0);
    expect(noted()).toEqual(["a", "b", "c"]);
    expect(await Promise.all(results)).toEqual(["A", "B", "C"]);
    expect(commits.waiting).toBe(0);
  });

  test("is on disk before anybody hears of it", async () => {
    const seen = commits.write(() => note("a")).then(noted);
    await pass(0);
    expect(await seen).toEqual(["a"]);
  });

  test("goes at once after a pause, and gathers under load", async () => {
    await pass(100);
    void commits.write(() => note("first"));
    await pass(0);
    expect(noted()).toEqual(["first"]);
    void commits.write(() => note("second"));
    await pass(1);
    void commits.write(() => note("third"));
    expect(noted()).toEqual(["first"]);
    await pass(1);
    expect(noted()).toEqual(["first", "second", "third"]);
  });

  test("takes in what its callers write on hearing of it with the next", async () => {
    void commits.write(() => note("a")).then(() => commits.write(() => note("b")));
    await pass(0);
    expect(noted()).toEqual(["a"]);
    await pass(INTERVAL_MS);
    expect(noted()).toEqual(["a", "b"]);
  });
});

describe("a work that is wrong by itself", () => {
  test.each(["first", "second", "third"])(
    "is rejected alone, and leaves nothing behind: the %s of three",
    async (wrong) => {
      const outcomes = ["first", "second", "third"].map((text) =>
        watch(
          commits.write(() => {
            note(text);
            if (text === wrong) note(text);
          }),
        ),
      );
      await pass(0);
      const right = ["first", "second", "third"].filter((text) => text !== wrong);
      expect(noted()).toEqual(right);
      expect(outcomes.map(({ outcome }) => outcome.replace(/: .*/, ""))).toEqual(
        ["first", "second", "third"].map((text) => (text === wrong ? "SQLiteError" : "written")),
      );
      expect(troubles).toEqual([]);
      expect(commits.isWell).toBe(true);
    },
  );

  test("is rejected though all of its group are", async () => {
    const outcomes = ["a", "b"].map((text) =>
      watch(
        commits.write(() => {
          throw new Error(text);
        }),
      ),
    );
    await pass(0);
    expect(outcomes).toEqual([{ outcome: "Error: a" }, { outcome: "Error: b" }]);
    void commits.write(() => note("c"));
    await pass(INTERVAL_MS);
    expect(noted()).toEqual(["c"]);
  });
});

describe("what may pass by itself", () => {
  test.each([
    "SQLITE_FULL",
    "SQLITE_IOERR_WRITE",
    "SQLITE_NOMEM",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_BUSY",
    "SQLITE_BUSY_SNAPSHOT",
    "SQLITE_LOCKED",
  ])("has all works run again from their start, each taking effect once: %s", async (code) => {
    const outcomes = [
      watch(commits.write(() => note("before"))),
      watch(commits.write(failing(3, code, () => note("failing")))),
      watch(commits.write(() => note("after"))),
    ];
    await pass(0);
    expect(noted()).toEqual([]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["none", "none", "none"]);
    await pass(1);
    const later = watch(commits.write(() => note("later")));
    await pass(10_000);
    expect(noted()).toEqual(["before", "failing", "after", "later"]);
    expect([...outcomes, later].map(({ outcome }) => outcome)).toEqual([
      "written",
      "written",
      "written",
      "written",
    ]);
  });

  test("is told once when it begins and once when it ends, however often it fails, and each time that it comes", async () => {
    for (const round of ["first", "second"]) {
      troubles = [];
      void commits.write(failing(20, "SQLITE_FULL", () => note(round)));
      await pass(1_000);
      expect(commits.isWell).toBe(false);
      expect(troubles).toEqual(["began: Error: as SQLITE_FULL"]);
      await pass(60_000);
      expect(commits.isWell).toBe(true);
      expect(troubles).toHaveLength(2);
      expect(troubles[1]).toMatch(/^ended after \d+$/);
    }
    expect(noted()).toEqual(["first", "second"]);
  });

  test("is tried again less and less often, and within two seconds of its end", async () => {
    let [tries, isFull] = [0, true];
    void commits.write(() => {
      tries++;
      if (isFull) throw Object.assign(new Error("full"), { code: "SQLITE_FULL" });
      note("late");
    });
    await pass(60_000);
    expect(tries).toBeLessThan(40);
    isFull = false;
    await pass(2_000);
    expect(noted()).toEqual(["late"]);
  });

  test("keeps a work from being rejected that is wrong only because of it", async () => {
    const wrong = watch(
      commits.write(() => {
        throw new Error("wrong");
      }),
    );
    const full = watch(commits.write(failing(1, "SQLITE_FULL", () => note("full"))));
    await pass(10_000);
    expect([wrong.outcome, full.outcome]).toEqual(["Error: wrong", "written"]);
    expect(noted()).toEqual(["full"]);
  });
});

describe("a lock of another process", () => {
  test("is waited for without a word when it is short", async () => {
    reader.exec("BEGIN EXCLUSIVE");
    const work = watch(commits.write(() => note("waited")));
    for (let waitedMs = 0; waitedMs < 2_900; waitedMs += 10) await pass(10);
    expect(work.outcome).toBe("none");
    reader.exec("ROLLBACK");
    await pass(4);
    expect(work.outcome).toBe("written");
    expect(troubles).toEqual([]);
  });

  test("is told of once when it lasts for longer than three seconds", async () => {
    reader.exec("BEGIN EXCLUSIVE");
    void commits.write(() => note("waited"));
    for (let waitedMs = 0; waitedMs < 4_000; waitedMs += 10) await pass(10);
    expect(troubles).toEqual(["began: SQLiteError: database is locked"]);
    reader.exec("ROLLBACK");
    await pass(4);
    expect(noted()).toEqual(["waited"]);
    expect(troubles).toHaveLength(2);
  });
});

test("flushing writes what waits, now, and tells whether it could", async () => {
  const work = watch(commits.write(() => note("a")));
  expect(commits.flush()).toBe(true);
  expect(noted()).toEqual(["a"]);
  await settled();
  expect(work.outcome).toBe("written");
  void commits.write(failing(1, "SQLITE_FULL", () => note("b")));
  expect(commits.flush()).toBe(false);
  expect(commits.flush()).toBe(true);
  expect(noted()).toEqual(["a", "b"]);
});

test("whatever fails and however often: works take effect once each, in their order, and nobody hears too early", async () => {
  const plan = fc.array(
    fc.record({
      kind: fc.constantFrom("right", "right", "right", "wrong", "full", "busy"),
      failures: fc.integer({ min: 1, max: 3 }),
      pauseMs: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 1, maxLength: 30 },
  );
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(plan, async (works) => {
      const prefix = `${++runs}/`;
      const ofRun = (): string[] => noted().filter((text) => text.startsWith(prefix));
      const outcomes: Promise<string>[] = [];
      for (const [place, { kind, failures, pauseMs }] of works.entries()) {
        const text = `${prefix}${place}`;
        const work = {
          right: () => note(text),
          wrong: () => {
            note(text);
            throw new Error("wrong");
          },
          full: failing(failures, "SQLITE_FULL", () => note(text)),
          busy: failing(failures, "SQLITE_BUSY", () => note(text)),
        }[kind];
        outcomes.push(
          commits.write(work).then(
            () => (ofRun().includes(text) ? "written" : "heard too early"),
            () => "rejected",
          ),
        );
        await pass(pauseMs);
      }
      await pass(600_000);
      expect(await Promise.all(outcomes)).toEqual(
        works.map(({ kind }) => (kind === "wrong" ? "rejected" : "written")),
      );
      const right = works.flatMap(({ kind }, place) =>
        kind === "wrong" ? [] : [`${prefix}${place}`],
      );
      expect(ofRun()).toEqual(right);
    }),
    { numRuns: 60 },
  );
});
