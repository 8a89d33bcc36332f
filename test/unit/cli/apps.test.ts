import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import { fileSchema } from "../../../src/ops/config/app-entry.ts";
import { runCli, RUN_TIMEOUT_MS } from "./cli-run.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

const entrySchema = z.strictObject({
  id: z.string().regex(/^[0-9]{6,7}$/),
  name: z.string().optional(),
  keys: z.tuple([
    z.strictObject({
      key: z.string().regex(/^[0-9a-f]{20}$/),
      secret: z.string().regex(/^[0-9a-f]{40}$/),
    }),
  ]),
});

test.concurrent("apps generate prints YAML that goes under apps:", async () => {
  const { code, stdout } = await runCli([
    "apps",
    "generate",
    "--id",
    "0123",
    "--name",
    "shop: the first",
  ]);
  expect(code).toBe(0);
  for (const before of ["apps:\n", 'apps:\n  - id: "2"\n    keys: [{ key: k, secret: s }]\n']) {
    const { apps } = fileSchema.parse(parse(before + stdout));
    expect(apps?.at(-1)).toMatchObject({ id: "0123", name: "shop: the first" });
  }
});

test.concurrent("apps generate makes a new id, key and secret each time", async () => {
  const runs = await Promise.all([
    runCli(["apps", "generate", "--json"]),
    runCli(["apps", "generate", "--json"]),
  ]);
  const [one, other] = runs.map(({ stdout }) => entrySchema.parse(JSON.parse(stdout)));
  expect(one?.id).not.toBe(other?.id);
  expect(one?.keys[0].key).not.toBe(other?.keys[0].key);
  expect(one?.keys[0].secret).not.toBe(other?.keys[0].secret);
});

test.concurrent("apps generate writes no file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ringmaster-apps-"));
  await runCli(["apps", "generate"], { folder });
  expect(readdirSync(folder)).toEqual([]);
  await rm(folder, { recursive: true });
});

test.concurrent.each([
  [["apps", "generate", "--id", "my shop"], "1 to 64 letters"],
  [["apps", "generate", "--name", ""], "up to 200 characters"],
  [["apps"], "generate"],
])("%p is called wrongly", async (words, told) => {
  const { code, stdout, stderr } = await runCli(words);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toContain(told);
});
