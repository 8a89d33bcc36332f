import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { parse } from "yaml";
import { effectiveJson, effectiveYaml } from "../../../src/ops/config/effective.ts";
import type { LoadedConfig } from "../../../src/ops/config/load.ts";
import { validFile } from "./arbitrary.ts";
import { Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.create();
});
afterAll(async () => {
  await workspace.remove();
});

/** What a person does to a printed configuration before starting with it. */
function withSecretsPutBack(printed: string, { apps }: LoadedConfig): string {
  const tree: { apps: { keys: { secret: unknown }[] }[] } = parse(printed);
  for (const [index, app] of tree.apps.entries()) {
    for (const [position, key] of app.keys.entries()) {
      if (key.secret === "(redacted)") key.secret = apps[index]?.keys[position]?.secret;
    }
  }
  return JSON.stringify(tree);
}

test("what is printed loads as the same configuration, and shows no secret", async () => {
  await fc.assert(
    fc.asyncProperty(validFile, async (file) => {
      await workspace.write("original.json", JSON.stringify(file));
      const original = await workspace.load({ file: "original.json" });
      const printed = effectiveYaml(original);
      for (const { secret } of original.apps.flatMap(({ keys }) => keys)) {
        expect(printed).not.toContain(secret);
        expect(effectiveJson(original)).not.toContain(secret);
      }
      expect(parse(printed)).toEqual(JSON.parse(effectiveJson(original)).values);

      await workspace.write("printed.json", withSecretsPutBack(printed, original));
      const again = await workspace.load({ file: "printed.json" });
      expect(again.settings).toEqual(original.settings);
      expect(again.apps).toEqual(original.apps);
    }),
    { numRuns: 100 },
  );
});

test("a printed configuration is refused until its secrets are put back", async () => {
  const printed = effectiveYaml(
    await workspace.loadYaml("apps: [{id: '1', keys: [{key: k, secret: s}]}]"),
  );
  expect(await workspace.problemsOfYaml(printed)).toEqual([
    expect.stringContaining(
      "apps[0].keys[0].secret: is not a secret but what stands in place of one",
    ),
  ]);
});

test("each value has its source behind it, and a secret that is elsewhere is referred to", async () => {
  await workspace.write("secret", "from a file");
  const yaml = `port: 1
apps:
  - id: "1"
    keys: [{ key: a, secret: { env: A } }, { key: b, secret: { file: secret } }]
    allowedOrigins: [a.example]
`;
  const loaded = await workspace.loadYaml(yaml, {
    env: { A: "from a variable", RINGMASTER_HOST: "::1" },
    flags: { "log.level": "warn" },
  });
  const printed = effectiveYaml(loaded);
  expect(printed.split("\n")).toEqual(
    expect.arrayContaining([
      "host: ::1 # RINGMASTER_HOST",
      "port: 1 # ringmaster.yaml:1:1",
      "  level: warn # --log-level",
      "  format: json # default",
      "        secret: { env: A } # ringmaster.yaml:4:22",
      `        secret: { file: ${workspace.path("secret")} } # ringmaster.yaml:4:54`,
      "    allowedOrigins: [ a.example ] # ringmaster.yaml:5:5",
      '    name: "1" # default',
    ]),
  );
  const { sources } = JSON.parse(effectiveJson(loaded));
  expect(sources.host).toBe("RINGMASTER_HOST");
  expect(sources["apps[0].keys[1].secret"]).toBe("ringmaster.yaml:4:54");
  expect(sources["apps[0].limits.eventBytes"]).toBe("default");
});

test("the default app shows where its secret is", async () => {
  const loaded = await workspace.load({ flags: { dataDir: "data" } });
  expect(effectiveYaml(loaded)).toContain(
    `secret: (redacted) # ${workspace.path("data/default-app.json")}\n`,
  );
  const env = { RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "s" };
  expect(effectiveYaml(await workspace.load({ env }))).toContain(
    "secret: { env: RINGMASTER_APP_SECRET } # RINGMASTER_APP_SECRET\n",
  );
});
