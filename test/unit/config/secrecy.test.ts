import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { stringify } from "yaml";
import type { ConfigInputs } from "../../../src/ops/config/load.ts";
import { ConfigError } from "../../../src/ops/config/problem.ts";
import { settingsFields } from "../../../src/ops/config/settings.ts";
import { secretText, validFile } from "./arbitrary.ts";
import { Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.create();
});
afterAll(async () => {
  await workspace.remove();
});

/** The message, or "" when the configuration was taken. Anything but a ConfigError fails the test. */
async function messageOf(inputs: Partial<ConfigInputs>): Promise<string> {
  try {
    await workspace.load({ createDefaultApp: false, ...inputs });
    return "";
  } catch (error) {
    if (error instanceof ConfigError)
      return `${error.message}\n${JSON.stringify(error.problems)}\n${error.stack}`;
    throw error;
  }
}

/** Half a secret is too much as well. */
function expectNothingOf(secret: string, message: string): void {
  for (let start = 0; start + 6 <= secret.length; start++) {
    expect(message).not.toContain(secret.slice(start, start + 6));
  }
}

function secretsIn(file: Record<string, unknown>): string[] {
  const apps = file["apps"] as {
    keys: { secret: string }[];
    webhooks?: { headers?: Record<string, string> }[];
  }[];
  const { adminToken } = { adminToken: null, ...(file["ops"] as { adminToken?: string | null }) };
  return [
    ...(adminToken === null ? [] : [adminToken]),
    ...apps.flatMap(({ keys }) => keys.map(({ secret }) => secret)),
    ...apps.flatMap(({ webhooks = [] }) =>
      webhooks.flatMap(({ headers = {} }) => Object.values(headers)),
    ),
  ];
}

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.oneof(fc.nat(3), fc.nat(200)),
  insert: fc.oneof(
    fc.constant(""),
    fc.constantFrom("\n", ":", " ", "-", '"', "{", "}", "[", "*", "&", "!", "\t", "#", "|"),
  ),
});
type Edit = { readonly at: number; readonly remove: number; readonly insert: string };

function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((current, { at, remove, insert }) => {
    const start = Math.floor(at * current.length);
    return current.slice(0, start) + insert + current.slice(start + remove);
  }, text);
}

const MAY_BE_ANY_WORD =
  /host$|redis\.(keyPrefix|username|password|sentinelUsername|sentinelPassword)$/;

describe("no error shows anything of a secret", () => {
  test("that stands in a file which was damaged while it was edited", async () => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        validFile,
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (file, edits, isJson) => {
          const text = edited(isJson ? JSON.stringify(file) : stringify(file), edits);
          const name = isJson ? "damaged.json" : "damaged.yaml";
          await workspace.write(name, text);
          const message = await messageOf({ file: name });
          if (message !== "") refused++;
          for (const secret of secretsIn(file)) expectNothingOf(secret, message);
        },
      ),
      { numRuns: 600 },
    );
    // Else the property has looked at nothing.
    expect(refused).toBeGreaterThan(200);
  });

  test("that stands in the place of any other value", async () => {
    const path = fc.constantFrom(
      "id",
      "name",
      "enabled",
      "keys",
      "forceTls",
      "allowedOrigins",
      "limits",
      "webhooks",
      "nonsense",
      "key",
      "url",
      "events",
      "channelPrefix",
      "headers",
      "value",
    );
    await fc.assert(
      fc.asyncProperty(secretText, path, fc.nat(3), async (secret, field, shape) => {
        const value = [secret, [secret], { [secret]: secret }, { file: { [secret]: [secret] } }][
          shape
        ];
        const pair = { key: "k", secret: "s" };
        const webhook = { url: "https://a.example", [field]: value };
        const inside: Record<string, object> = {
          key: { keys: [{ ...pair, key: value }] },
          url: { webhooks: [webhook] },
          events: { webhooks: [webhook] },
          channelPrefix: { webhooks: [webhook] },
          headers: { webhooks: [webhook] },
          value: { webhooks: [{ ...webhook, headers: { "x-a": value, [secret]: { env: "Y" } } }] },
        };
        const entry = { id: "1", keys: [pair], ...(inside[field] ?? { [field]: value }) };
        for (const tree of [
          { apps: [entry] },
          { apps: value },
          { [secret]: secret },
          { drain: value },
          { ops: { adminToken: [value] } },
          { ops: { adminToken: `${secret} ${secret}` } },
          { roles: value, sender: { allowedNetworks: value } },
          { apps: [value] },
        ]) {
          await workspace.write("misplaced.json", JSON.stringify(tree));
          expectNothingOf(secret, await messageOf({ file: "misplaced.json" }));
        }
      }),
      { numRuns: 100 },
    );
  });

  // The data folder and the database are places, and places are shown.
  test.each(
    settingsFields
      .filter(({ path }) => path !== "dataDir" && path !== "database.file")
      .map(({ path, envName, flagName }) => [path, envName, flagName] as const),
  )("that was given for %s", async (path, envName, flagName) => {
    const secret = "ZQXJ98769876JXQ";
    const app = { RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "s" };
    const asVariable = await messageOf({ env: { ...app, [envName ?? ""]: secret } });
    // A flag for a secret there is not: it is passed over, whatever it says.
    const asFlag =
      flagName === null ? asVariable : await messageOf({ env: app, flags: { [path]: secret } });
    if (!MAY_BE_ANY_WORD.test(path)) expect([asVariable, asFlag]).not.toContain("");
    expectNothingOf(secret, asVariable);
    expectNothingOf(secret, asFlag);
  });

  test("that is in a variable, in a file or in default-app.json which is wrong otherwise", async () => {
    const secret = "ZQXJ98769876JXQZ";
    await workspace.write("secret", secret);
    await workspace.write("data/default-app.json", `{"id":"1","key":"k","secret":"${secret}",}`);
    for (const inputs of [
      { env: { RINGMASTER_APP_SECRET: secret, RINGMASTER_APP_KEY: "a b" } },
      {
        env: {
          RINGMASTER_APP_SECRET: secret,
          RINGMASTER_APP_ID: secret,
          RINGMASTER_APP_KEY: `${secret}/`,
        },
      },
      { env: {}, flags: { dataDir: "data" } },
      { env: { RINGMASTER_SECRET: secret } },
    ]) {
      const message = await messageOf(inputs);
      expect(message).not.toBe("");
      expectNothingOf(secret, message);
    }
    const yaml = `apps: [{id: "1", keys: [{key: k, secret: {file: secret}}, {key: k, secret: {env: X}}]}]`;
    await workspace.write("referring.yaml", yaml);
    const message = await messageOf({ file: "referring.yaml", env: { X: secret } });
    expect(message).toContain("is the same as");
    expectNothingOf(secret, message);
    const header = (value: string) =>
      `apps: [{id: "1", keys: [{key: k, secret: s}], webhooks: [{url: "https://a.example", headers: {x-a: ${value}}}]}]`;
    for (const referring of [
      "ops: {adminToken: {file: secret}}\nport: x",
      "ops: {adminToken: {env: TWO_LINES}}",
      `${header("{env: X}")}\nport: x`,
      header("{env: TWO_LINES}"),
      header(`{env: ${secret}}`),
      header(`{file: ${secret}}`),
      header(`{${secret}: X}`),
    ]) {
      await workspace.write("referring.yaml", referring);
      const refused = await messageOf({
        file: "referring.yaml",
        env: { X: secret, TWO_LINES: `${secret}\n${secret}` },
      });
      expect(refused).not.toBe("");
      expectNothingOf(secret, refused);
    }
    const refused = await messageOf({
      env: { RINGMASTER_APP_WEBHOOK_URL: `https://user:${secret}@a.example/${secret}` },
    });
    expect(refused).toContain("has a user name or a password in it");
    expectNothingOf(secret, refused);
  });
});

describe("nothing but a ConfigError is ever thrown", () => {
  const names = [
    "port",
    "tls",
    "apps",
    "keys",
    "secret",
    "id",
    "limits",
    "log",
    "level",
    "env",
    "file",
    "__proto__",
  ];
  const tree = fc.object({
    key: fc.oneof(fc.constantFrom(...names), fc.string()),
    maxDepth: 5,
    withNullPrototype: true,
  });
  const garbage: fc.Arbitrary<string | Uint8Array> = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.string({ unit: fc.constantFrom(..."{}[]:,-?&*!|>'\"%@`# \n\tabc01~<"), maxLength: 60 }),
    fc.uint8Array({ maxLength: 100 }),
    tree.map((value) => JSON.stringify(value) ?? ""),
    tree.map((value) => JSON.stringify({ apps: [value, { keys: [value], limits: value }] }) ?? ""),
  );

  test("by any content of a file", async () => {
    await fc.assert(
      fc.asyncProperty(
        garbage,
        fc.constantFrom("garbage.yaml", "garbage.json"),
        async (content, name) => {
          await workspace.write(name, content);
          expect(typeof (await messageOf({ file: name }))).toBe("string");
        },
      ),
      { numRuns: 1_500 },
    );
  });

  test("by any text of a variable or a flag", async () => {
    const field = fc.constantFrom(...settingsFields);
    await fc.assert(
      fc.asyncProperty(field, fc.string({ unit: "binary" }), async ({ path, envName }, text) => {
        await messageOf({ env: { [envName ?? ""]: text } });
        await messageOf({ flags: { [path]: text } });
      }),
      { numRuns: 500 },
    );
  });
});
