import { expect, setDefaultTimeout, test } from "bun:test";
import { runCli, RUN_TIMEOUT_MS } from "./cli-run.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

test.each(["trigger", "channels", "subscribe"])("%s --help teaches", async (name) => {
  const { code, stdout, stderr } = await runCli([name, "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain(`Examples:\n  ringmaster ${name}`);
  expect(stdout).toContain("Which server and app:\n  --url <url>");
  expect(stdout).toContain("A secret on the command line can be read by every user of the machine");
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
});

test("apps generate --help says that nothing is written", async () => {
  const { code, stdout } = await runCli(["apps", "generate", "--help"]);
  expect(code).toBe(0);
  expect(stdout).toContain("Nothing is written");
  expect(stdout).toContain("Examples:\n  ringmaster apps generate");
});
