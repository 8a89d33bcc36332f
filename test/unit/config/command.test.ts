import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Command } from "commander";
import { addConfigFlags, configInputsFrom } from "../../../src/cli/config-flags.ts";
import { configCommand } from "../../../src/cli/config.ts";
import { configReference } from "../../../src/ops/config/reference.ts";
import { settingsFields } from "../../../src/ops/config/settings.ts";
import { ONE_APP, Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(async () => {
  await workspace.remove();
});

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const written = { stdout: "", stderr: "", code: 0 };
  const command = configCommand({
    env,
    folder: workspace.folder,
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    exitWith: (code) => (written.code = code),
  });
  await command.parseAsync(args, { from: "user" });
  return written;
}

describe("config check", () => {
  test("says what is right and how many apps there are", async () => {
    await workspace.write(
      "ringmaster.yaml",
      `${ONE_APP}  - { id: "2", enabled: false, keys: [{ key: a, secret: a }, { key: b, secret: b, active: false }] }\n`,
    );
    expect(await run(["check", "--config", "ringmaster.yaml"])).toEqual({
      stdout: `${workspace.path("ringmaster.yaml")} is right: 2 apps, 2 active keys, 1 disabled.\n`,
      stderr: "",
      code: 0,
    });
  });

  test("counts the webhooks where there are some", async () => {
    await workspace.write(
      "ringmaster.yaml",
      `${ONE_APP}    webhooks: [{ url: "https://a.example" }, { url: "https://b.example" }]\n`,
    );
    expect((await run(["check", "-c", "ringmaster.yaml"])).stdout).toEndWith(
      " is right: 1 app, 1 active key, 2 webhooks.\n",
    );
  });

  test("makes no default app, but tells of it", async () => {
    const { stdout, code } = await run(["check", "--data-dir", "data"]);
    const secretLocation = workspace.path("data/default-app.json");
    expect([stdout, code]).toEqual([
      `The configuration is right: one default app, whose secret will be in ${secretLocation}.\n`,
      0,
    ]);
    expect(await Bun.file(secretLocation).exists()).toBeFalse();
    await workspace.load({ flags: { dataDir: "data" } });
    expect((await run(["check", "--data-dir", "data"])).stdout).toContain("whose secret is in ");
  });

  test("exits with 1 and a line for each problem", async () => {
    await workspace.write("ringmaster.yaml", "port: x\n");
    const { stdout, stderr, code } = await run([
      "check",
      "-c",
      "ringmaster.yaml",
      "--log-level",
      "loud",
    ]);
    expect([stdout, code]).toEqual(["", 1]);
    expect(stderr).toBe(
      "log.level: is none of the choices; give one of trace, debug, info, warn, error, fatal, silent (--log-level)\n" +
        "port: is not a number; give a whole number from 0 to 65535, or null (ringmaster.yaml:1:1)\n",
    );
  });
});

describe("config print", () => {
  test("shows what is in force, with flags before variables", async () => {
    await workspace.write("ringmaster.yaml", ONE_APP);
    const args = ["print", "--config", "ringmaster.yaml", "--port", "7"];
    const { stdout } = await run(args, { RINGMASTER_PORT: "8", RINGMASTER_OPS_PORT: "9" });
    expect(stdout).toContain("port: 7 # --port\n");
    expect(stdout).toContain("port: 9 # RINGMASTER_OPS_PORT\n");
    expect(stdout).toContain("secret: (redacted) # ringmaster.yaml:3:23\n");
    const { values, sources } = JSON.parse((await run([...args, "--json"])).stdout);
    expect([values.port, sources.port, values.apps[0].keys[0].secret]).toEqual([
      7,
      "--port",
      "(redacted)",
    ]);
  });

  test("of a wrong configuration exits with 1", async () => {
    expect(await run(["print", "--port", "x"])).toMatchObject({ stdout: "", code: 1 });
  });
});

describe("config docs and config schema", () => {
  test("print the reference and the JSON Schema", async () => {
    expect((await run(["docs"])).stdout).toBe(configReference());
    expect(JSON.parse((await run(["schema"])).stdout).properties.port.default).toBe(6001);
  });
});

describe("config from-soketi", () => {
  test("prints YAML that config check finds right, and the notes beside it", async () => {
    const soketi = {
      port: 7001,
      "adapter.driver": "nats",
      "appManager.array.apps": [{ id: "1", key: "k", secret: "s" }],
    };
    await workspace.write("soketi.json", JSON.stringify(soketi));
    const translated = await run(["from-soketi", "soketi.json"], { SOKETI_HOST: "127.0.0.1" });
    expect(translated.code).toBe(0);
    expect(translated.stderr).toBe(
      "adapter.driver: several nodes share a Redis or Valkey, and find each other through it alone: give it as redis.url\n" +
        "The YAML holds the secrets in the clear: keep it as you keep them.\n",
    );
    await workspace.write("ringmaster.yaml", translated.stdout);
    expect(await run(["check", "--config", "ringmaster.yaml"])).toMatchObject({
      code: 0,
      stderr: "",
    });
    const { stdout } = await run(["print", "--config", "ringmaster.yaml"]);
    expect(stdout).toMatch(/^host: 127\.0\.0\.1 # .*\nport: 7001 # /);
  });

  test("needs no file", async () => {
    expect((await run(["from-soketi"], { SOKETI_PORT: "7002" })).stdout).toContain(
      "\nport: 7002\n",
    );
  });

  test("tells of a file that is not there or no JSON, without quoting it", async () => {
    const gone = workspace.path("gone.json");
    expect(await run(["from-soketi", gone])).toEqual({
      stdout: "",
      stderr: `${gone}: cannot be read (there is no such file); give soketi's JSON file\n`,
      code: 1,
    });
    const broken = await workspace.write("broken.json", '{"secret": "hunter2"');
    const { stderr, code } = await run(["from-soketi", broken]);
    expect([code, stderr.split("\n").length]).toEqual([1, 2]);
    expect(stderr).not.toContain("hunter2");
  });
});

test("a command has a flag for every setting but secrets, and gives the loader what was typed", () => {
  const command = addConfigFlags(new Command());
  const typed = settingsFields.flatMap(({ path, flagName }) =>
    flagName === null ? [] : [[path, flagName, `text of ${path}`] as const],
  );
  expect(
    settingsFields.filter(({ flagName }) => flagName === null).map(({ path }) => path),
  ).toEqual(["ops.adminToken", "redis.url", "redis.sentinelPassword", "redis.password"]);
  expect(command.helpInformation()).toContain("--roles <channels,packager,sender> ");
  expect(command.helpInformation()).not.toContain("admin-token");
  command.parse(["--config", "a.yaml", ...typed.flatMap(([, flag, text]) => [flag, text])], {
    from: "user",
  });
  expect(configInputsFrom(command)).toEqual({
    file: "a.yaml",
    flags: Object.fromEntries(typed.map(([path, , text]) => [path, text])),
  });
  const bare = addConfigFlags(new Command()).parse([], { from: "user" });
  expect(configInputsFrom(bare)).toEqual({ file: undefined, flags: {} });
});
