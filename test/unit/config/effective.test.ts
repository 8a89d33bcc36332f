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
function withSecretsPutBack(printed: string, { settings, apps }: LoadedConfig): string {
  const tree: {
    ops: { adminToken: unknown };
    apps: { keys: { secret: unknown }[]; webhooks: { headers: Record<string, unknown> }[] }[];
  } = parse(printed);
  if (tree.ops.adminToken === "(redacted)") tree.ops.adminToken = settings.ops.adminToken;
  for (const [index, app] of tree.apps.entries()) {
    for (const [position, key] of app.keys.entries()) {
      if (key.secret === "(redacted)") key.secret = apps[index]?.keys[position]?.secret;
    }
    for (const [position, { headers }] of app.webhooks.entries()) {
      for (const name of Object.keys(headers))
        headers[name] = apps[index]?.webhooks[position]?.headers[name];
    }
  }
  return JSON.stringify(tree);
}

/** Everything that must not be shown. */
function secretsOf({ settings, apps }: LoadedConfig): string[] {
  return [
    ...(settings.ops.adminToken === null ? [] : [settings.ops.adminToken]),
    ...apps.flatMap(({ keys }) => keys.map(({ secret }) => secret)),
    ...apps.flatMap(({ webhooks }) => webhooks.flatMap(({ headers }) => Object.values(headers))),
  ];
}

test("what is printed loads as the same configuration, and shows no secret", async () => {
  let headers = 0;
  await fc.assert(
    fc.asyncProperty(validFile, async (file) => {
      await workspace.write("original.json", JSON.stringify(file));
      const original = await workspace.load({ file: "original.json" });
      const printed = effectiveYaml(original);
      headers += original.apps.flatMap(({ webhooks }) =>
        webhooks.flatMap((webhook) => Object.keys(webhook.headers)),
      ).length;
      for (const secret of secretsOf(original)) {
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
  // Else the property has looked at no header.
  expect(headers).toBeGreaterThan(20);
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

test("what a secret of a webhook or of the process is, is not shown, but where it is", async () => {
  await workspace.write("token", "Bearer from a file");
  const yaml = `ops: { adminToken: { env: ADMIN } }
roles: sender
apps:
  - id: "1"
    keys: [{ key: a, secret: s }]
    webhooks:
      - url: https://a.example
        events: [cache_miss]
        headers: { Authorization: { file: token }, x-b: { env: B }, x-c: hunter2 }
`;
  const loaded = await workspace.loadYaml(yaml, {
    env: { ADMIN: "0123456789abcdef", B: "from a variable" },
  });
  const printed = effectiveYaml(loaded);
  expect(printed.split("\n")).toEqual(
    expect.arrayContaining([
      "  adminToken: { env: ADMIN } # ringmaster.yaml:1:8",
      "roles: [ sender ] # ringmaster.yaml:2:1",
      `  file: ${workspace.path(".ringmaster/ringmaster.db")} # default`,
      "      - id: wh_275109ff40 # default",
      "        url: https://a.example # ringmaster.yaml:7:9",
      "        events: [ cache_miss ] # ringmaster.yaml:8:9",
      `        headers: { authorization: { file: ${workspace.path("token")} }, x-b: { env: B }, x-c: (redacted) } # ringmaster.yaml:9:9`,
    ]),
  );
  const given = await workspace.load({
    env: {
      RINGMASTER_OPS_ADMIN_TOKEN: "0123456789abcdef",
      RINGMASTER_APP_KEY: "k",
      RINGMASTER_APP_SECRET: "s",
    },
  });
  expect(effectiveYaml(given)).toContain(
    "  adminToken: { env: RINGMASTER_OPS_ADMIN_TOKEN } # RINGMASTER_OPS_ADMIN_TOKEN\n",
  );
  expect(given.settings.ops.adminToken).toBe("0123456789abcdef");
  expect(
    effectiveYaml(await workspace.loadYaml("ops: { adminToken: 0123456789abcdef }")),
  ).toContain("  adminToken: (redacted) # ");
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
