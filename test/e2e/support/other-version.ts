import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ROOT } from "./ringmaster.ts";

/** A copy of the sources whose package.json has another version: a release, for all that it tells of itself. */
export function otherVersion(t: TestContext, version: string): string {
  const tree = mkdtempSync(join(tmpdir(), "ringmaster-version-"));
  t.after(() => rmSync(tree, { recursive: true, force: true }));
  cpSync(join(ROOT, "src"), join(tree, "src"), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as object;
  writeFileSync(join(tree, "package.json"), JSON.stringify({ ...manifest, version }));
  return tree;
}
