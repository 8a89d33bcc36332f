import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  CERTIFICATE,
  LOCKED_PRIVATE_KEY,
  OTHER_CERTIFICATE,
  OTHER_PRIVATE_KEY,
  PRIVATE_KEY,
} from "./certificates.ts";
import { ONE_APP, Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(async () => {
  await workspace.remove();
});

const YAML = `port: null
tls: { port: 6002, certFile: cert.pem, keyFile: key.pem }
${ONE_APP}`;

test("certificate and key are read from beside the file, checked and handed on", async () => {
  await workspace.write("cert.pem", CERTIFICATE);
  await workspace.write("key.pem", PRIVATE_KEY);
  await workspace.write("ca.pem", OTHER_CERTIFICATE);
  const { tls, settings, files } = await workspace.loadYaml(
    YAML.replace("certFile", "caFile: ca.pem, certFile"),
  );
  expect(tls).toEqual({ cert: CERTIFICATE, key: PRIVATE_KEY, ca: OTHER_CERTIFICATE });
  expect(settings.tls.certFile).toBe(workspace.path("cert.pem"));
  expect([...files.keys()].map((file) => file.split("/").at(-1))).toEqual([
    "ringmaster.yaml",
    "cert.pem",
    "key.pem",
    "ca.pem",
  ]);
});

const WRONG: readonly (readonly [cert: string | null, key: string | null, line: string])[] = [
  [
    null,
    PRIVATE_KEY,
    "tls.certFile: cannot be read (there is no such file); give the path of a file that can (ringmaster.yaml:2:20)",
  ],
  [
    CERTIFICATE,
    null,
    "tls.keyFile: cannot be read (there is no such file); give the path of a file that can (ringmaster.yaml:2:40)",
  ],
  [
    PRIVATE_KEY,
    PRIVATE_KEY,
    "tls.certFile: holds no certificate; give a PEM file with one (ringmaster.yaml:2:20)",
  ],
  [
    CERTIFICATE,
    CERTIFICATE,
    "tls.keyFile: holds no private key; give a PEM file with one (ringmaster.yaml:2:40)",
  ],
  [
    CERTIFICATE,
    LOCKED_PRIVATE_KEY,
    "tls.keyFile: has a passphrase; give a key without one (openssl pkey -in locked.pem -out key.pem) (ringmaster.yaml:2:40)",
  ],
  [
    CERTIFICATE,
    OTHER_PRIVATE_KEY,
    "tls.keyFile: is not the key of tls.certFile; give the two that belong together (ringmaster.yaml:2:40)",
  ],
];
test.each(WRONG)("wrong files are refused: %#", async (cert, key, line) => {
  if (cert !== null) await workspace.write("cert.pem", cert);
  if (key !== null) await workspace.write("key.pem", key);
  expect(await workspace.problemsOfYaml(YAML)).toEqual([line]);
});

test("a key in the place of its path is not shown", async () => {
  const flags = { "tls.port": "1", "tls.certFile": CERTIFICATE, "tls.keyFile": PRIVATE_KEY };
  const problems = await workspace.problemsOfYaml(ONE_APP, { flags });
  expect(problems.map((line) => line.split(" (")[0])).toEqual([
    "tls.certFile: cannot be read",
    "tls.keyFile: cannot be read",
  ]);
  expect(problems.join("\n")).not.toContain(PRIVATE_KEY.slice(40, 60));
});
