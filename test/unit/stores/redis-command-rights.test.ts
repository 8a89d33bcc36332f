import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import {
  COMMANDS_ON_KEYS,
  OTHER_COMMANDS,
} from "../../../src/stores/redis/client/command-rights.ts";

const FOLDER = "src/stores/redis/lua";

function calledIn(source: string): string[] {
  return [...source.matchAll(/redis\.p?call\(\s*['"](\w+)['"]/g)].map(([, name = ""]) => name);
}

test("The rights to all commands that scripts call are tried by doctor, and to no others", () => {
  const sources = readdirSync(FOLDER).map((name) => readFileSync(join(FOLDER, name), "utf8"));
  const called = new Set(sources.flatMap(calledIn));
  expect(called.size).toBeGreaterThan(20);
  const ofTheClient = ["EVAL", "EVALSHA", "SSUBSCRIBE", "SUNSUBSCRIBE"];
  expect([...Object.keys(COMMANDS_ON_KEYS), ...OTHER_COMMANDS].toSorted()).toEqual(
    [...called, ...ofTheClient].toSorted(),
  );
});

test("A command that a script calls by a name of another kind would be overlooked: there is none", () => {
  for (const name of readdirSync(FOLDER)) {
    const source = readFileSync(join(FOLDER, name), "utf8");
    const calls = source.match(/redis\.p?call\(/g) ?? [];
    expect({ name, calls: calls.length }).toEqual({ name, calls: calledIn(source).length });
  }
});
