import { afterEach, beforeEach, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { SCHEMA_VERSION } from "../../../src/stores/sqlite/schema.ts";
import { SqliteFiles } from "../../conformance/sqlite-files.ts";
import { FakeClock } from "../../support/fake-clock.ts";

let files: SqliteFiles;
beforeEach(() => {
  files = new SqliteFiles();
});
afterEach(() => files.close());

test("A file of before there were senders gets the table, and stays one that the release before can open", async () => {
  files.open(new FakeClock());
  files.crash();
  const before = new Database(files.file);
  before.exec("DROP TABLE senders");
  before.close();

  const { fleet } = files.open(new FakeClock());
  expect(await fleet.reports()).toEqual([]);
  const after = new Database(files.file, { readonly: true });
  expect(after.query("PRAGMA user_version").get()).toEqual({ user_version: SCHEMA_VERSION });
  expect(SCHEMA_VERSION).toBe(1);
  after.close();
});
