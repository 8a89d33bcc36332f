import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, readdir, stat, symlink } from "node:fs/promises";
import type { LoadedConfig } from "../../../src/ops/config/load.ts";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";
import { ONE_APP, Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(async () => {
  await workspace.remove();
});

const FILE = ".ringmaster/default-app.json";
const STORED = { id: "5", key: "stored-key", secret: "stored-secret" };

function credentialsOf({ apps }: LoadedConfig): { id: string; key: string; secret: string } {
  const [app] = apps;
  const [pair] = app?.keys ?? [];
  return { id: app?.id ?? "", key: pair?.key ?? "", secret: pair?.secret ?? "" };
}

describe("the default app", () => {
  test("is made at the first start, with every optional feature on and no restriction", async () => {
    const loaded = await workspace.load();
    const { id, key, secret } = credentialsOf(loaded);
    expect([id, key, secret]).toEqual([
      "1",
      expect.stringMatching(/^[0-9a-f]{20}$/),
      expect.stringMatching(/^[0-9a-f]{40}$/),
    ]);
    expect(loaded.apps).toEqual([
      {
        id: "1",
        name: "default",
        enabled: true,
        keys: [{ key, secret, active: true }],
        forceTls: false,
        clientEvents: true,
        authorizedConnections: false,
        subscriptionCount: true,
        watchlist: true,
        allowedOrigins: null,
        webhooks: [],
        batchWebhooks: true,
        limits: PUSHER_LIMITS,
      },
    ]);
    expect(loaded.defaultApp?.secretLocation).toBe(workspace.path(FILE));
    expect(JSON.parse(await workspace.read(FILE))).toEqual({ id, key, secret });
  });

  test("keeps its credentials over restarts", async () => {
    const first = credentialsOf(await workspace.load());
    expect(credentialsOf(await workspace.load())).toEqual(first);
    const elsewhere = credentialsOf(await workspace.load({ flags: { dataDir: "elsewhere" } }));
    expect(elsewhere.secret).not.toBe(first.secret);
  });

  test("is readable to its owner alone, and no draft of it stays behind", async () => {
    await workspace.load();
    expect((await stat(workspace.path(FILE))).mode & 0o777).toBe(0o600);
    expect((await stat(workspace.path(".ringmaster"))).mode & 0o777).toBe(0o700);
    expect(await readdir(workspace.path(".ringmaster"))).toEqual(["default-app.json"]);
  });

  test("is the same for processes that start at once", async () => {
    const loaded = await Promise.all(Array.from({ length: 20 }, () => workspace.load()));
    expect(new Set(loaded.map((config) => JSON.stringify(credentialsOf(config)))).size).toBe(1);
    expect(await readdir(workspace.path(".ringmaster"))).toEqual(["default-app.json"]);
  });

  test("is not made when anything is wrong, when the file lists apps, or when one only looks", async () => {
    await workspace.problems({ env: { RINGMASTER_PORT: "x" } });
    await workspace.loadYaml(ONE_APP);
    const looked = await workspace.load({ createDefaultApp: false });
    expect(credentialsOf(looked).key).toBe("(generated at the first start)");
    expect(looked.defaultApp?.secretLocation).toBe(workspace.path(FILE));
    expect(await readdir(workspace.folder)).toEqual(["ringmaster.yaml"]);
  });

  test("that is there is seen by one who only looks", async () => {
    await workspace.write(FILE, JSON.stringify(STORED));
    expect(credentialsOf(await workspace.load({ createDefaultApp: false }))).toEqual(STORED);
  });
});

describe("RINGMASTER_APP_ID, RINGMASTER_APP_KEY and RINGMASTER_APP_SECRET", () => {
  const GIVEN = { id: "9", key: "given-key", secret: "given-secret" };
  const names = ["id", "key", "secret"] as const;
  const combinations = Array.from({ length: 8 }, (_, bits) =>
    names.filter((_name, bit) => (bits & (1 << bit)) !== 0),
  );

  test.each(combinations.map((given) => [given.join(" and ") || "none", given] as const))(
    "given %s, the rest is what is stored",
    async (_title, given) => {
      const env = Object.fromEntries(
        given.map((name) => [`RINGMASTER_APP_${name.toUpperCase()}`, GIVEN[name]]),
      );
      const needsFile = !(given.includes("key") && given.includes("secret"));

      const fresh = await workspace.load({ env });
      expect(fresh.defaultApp?.secretLocation).toBe(
        given.includes("secret") ? "RINGMASTER_APP_SECRET" : workspace.path(FILE),
      );
      for (const name of given) expect(credentialsOf(fresh)[name]).toBe(GIVEN[name]);
      expect(await readdir(workspace.folder)).toEqual(needsFile ? [".ringmaster"] : []);
      // What was given is not what is kept: taken away again, the generated values come forth.
      if (needsFile) expect(await workspace.read(FILE)).not.toContain("given");

      await workspace.write(FILE, JSON.stringify(STORED));
      const restarted = credentialsOf(await workspace.load({ env }));
      for (const name of names) {
        const stored = needsFile ? STORED[name] : { ...STORED, id: "1" }[name];
        expect(restarted[name]).toBe(given.includes(name) ? GIVEN[name] : stored);
      }
    },
  );

  test("with key and secret given, a data folder that cannot be is no matter", async () => {
    await workspace.write("taken", "");
    const env = {
      RINGMASTER_APP_KEY: "k",
      RINGMASTER_APP_SECRET: "s",
      RINGMASTER_DATA_DIR: "taken/below",
    };
    expect(credentialsOf(await workspace.load({ env }))).toEqual({
      id: "1",
      key: "k",
      secret: "s",
    });
  });

  test("are refused where they are wrong", async () => {
    const env = {
      RINGMASTER_APP_ID: "my shop",
      RINGMASTER_APP_KEY: "a:b",
      RINGMASTER_APP_SECRET: "",
    };
    expect(await workspace.problems({ env })).toEqual([
      'RINGMASTER_APP_ID: has not the right form; give 1 to 64 letters, digits, - and _, for example "1"',
      "RINGMASTER_APP_KEY: has not the right form; give 1 to 200 letters, digits and . _ ~ @ + = -",
      "RINGMASTER_APP_SECRET: is empty; give it the secret, or unset it for a generated one",
    ]);
    expect(await readdir(workspace.folder)).toEqual([]);
  });
});

describe("default-app.json", () => {
  const CORRUPT =
    "does not hold the id, key and secret of the default app; correct it, or remove it for new credentials";

  test.each([
    "",
    "{",
    "null",
    "[]",
    '{"id":"1","key":"k"}',
    '{"id":"1","key":"k","secret":""}',
    '{"id":1,"key":"k","secret":"s"}',
    '{"id":"1","key":"k","secret":"s","more":1}',
  ])("that holds %j is told to be corrupt, and stays as it is", async (content) => {
    await workspace.write(FILE, content);
    expect(await workspace.problems({})).toEqual([`${workspace.path(FILE)}: ${CORRUPT}`]);
    expect(await workspace.read(FILE)).toBe(content);
  });

  test("that cannot be made is told with what to do", async () => {
    await workspace.write("taken", "");
    expect(await workspace.problems({ flags: { dataDir: "taken" } })).toEqual([
      `${workspace.path("taken/default-app.json")}: cannot be read or made (a folder on the way to it is a file); ` +
        "give a dataDir that can be written, or set both RINGMASTER_APP_KEY and RINGMASTER_APP_SECRET",
    ]);
  });

  test("that is a folder is told so", async () => {
    await mkdir(workspace.path(FILE), { recursive: true });
    expect((await workspace.problems({}))[0]).toContain(
      "cannot be read or made (it is no regular file)",
    );
  });

  test("that is a link to nowhere ends in an error, not in a loop", async () => {
    await mkdir(workspace.path(".ringmaster"));
    await symlink("nowhere", workspace.path(FILE));
    expect(await workspace.problems({})).toEqual([`${workspace.path(FILE)}: ${CORRUPT}`]);
  });
});
