import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { bun } from "./cli.ts";
import { BUN } from "./ringmaster.ts";
import { within } from "./wait.ts";

/** Another program that has the file open: Node 20 knows no SQLite, Bun does. */
const OPEN = `
import { Database } from "bun:sqlite";
const [file, sql] = process.argv.slice(1);
const db = new Database(file, { create: true });
db.exec("PRAGMA busy_timeout = 10000");
`;
const QUERY = `${OPEN}console.log(JSON.stringify(db.query(sql).all()));`;
/** Holds it until its input ends. */
const HOLD = `${OPEN}db.exec(sql); console.log("held"); for await (const _ of Bun.stdin.stream()); db.exec("ROLLBACK");`;

/** Runs one statement; answers the rows that it gave. */
export async function sqlite(file: string, sql: string): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await bun(["-e", QUERY, file, sql]);
  if (code !== 0) throw new Error(`${sql} failed: ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>[];
}

/** Keeps everybody from writing to the file, until the function that it answers is called. */
export async function lockForWriting(file: string): Promise<() => Promise<void>> {
  const child = spawn(BUN, ["-e", HOLD, file, "BEGIN IMMEDIATE"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const held = new Promise((resolve) =>
    createInterface({ input: child.stdout }).once("line", resolve),
  );
  await within("the database is locked", held);
  return async () => {
    child.stdin.end();
    await within("the lock is gone", ended);
  };
}
