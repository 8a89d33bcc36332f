import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { ConfigInputs } from "../../../src/ops/config/load.ts";
import { ROLES } from "../../../src/ops/config/settings.ts";
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

const load = async (yaml: string, inputs: Partial<ConfigInputs> = {}) =>
  await workspace.loadYaml(`${yaml}\n${ONE_APP}`, inputs);

const problemsOf = async (yaml: string, inputs: Partial<ConfigInputs> = {}) =>
  await workspace.problemsOfYaml(`${yaml}\n${ONE_APP}`, inputs);

const withoutPosition = (line: string) => line.replace(/ \(ringmaster\.yaml:[0-9:]+\)$/, "");

describe("roles", () => {
  test("are all where nobody says anything", async () => {
    expect((await load("")).settings.roles).toEqual(["channels", "packager", "sender"]);
  });

  test.each([
    ["roles: [sender]"],
    ["roles: sender"],
    ["roles:\n  - sender\n  - sender"],
    ["roles: ' sender , sender '"],
  ])("may be a list or a text: %j", async (yaml) => {
    expect((await load(yaml)).settings.roles).toEqual(["sender"]);
  });

  test("in a variable or a flag are separated by commas", async () => {
    const env = { RINGMASTER_ROLES: "sender, channels" };
    expect((await load("roles: packager", { env })).settings.roles).toEqual(["channels", "sender"]);
    const flags = { roles: "packager" };
    expect((await load("", { env, flags })).settings.roles).toEqual(["packager"]);
  });

  const RIGHT = `give a list with at least one of ${ROLES.join(", ")}`;
  test.each([
    ["roles: []", `roles: is an empty list; ${RIGHT}`],
    ["roles: ''", `roles: is an empty list; ${RIGHT}`],
    ["roles: juggler", `roles: has an entry that is none of the choices; ${RIGHT}`],
    ["roles: [sender, null]", `roles: has an entry that is none of the choices; ${RIGHT}`],
    ["roles: sender,,packager", `roles: has an entry that is none of the choices; ${RIGHT}`],
    ["roles: null", `roles: is null; ${RIGHT}`],
    ["roles: {sender: true}", `roles: is a mapping; ${RIGHT}`],
  ])("%s is refused", async (yaml, line) => {
    expect((await problemsOf(yaml)).map(withoutPosition)).toEqual([line]);
  });

  test("that lack channels contradict no setting of theirs", async () => {
    await workspace.write("cert.pem", CERTIFICATE);
    await workspace.write("key.pem", PRIVATE_KEY);
    await load("roles: sender\ntls: { port: 6002, certFile: cert.pem, keyFile: key.pem }");
  });
});

describe("the database", () => {
  test("is beside what else must survive a restart, wherever that is", async () => {
    expect((await load("dataDir: data")).settings.database.file).toBe(
      workspace.path("data/ringmaster.db"),
    );
    expect((await load("database: { file: null }")).settings.database.file).toBe(
      workspace.path(".ringmaster/ringmaster.db"),
    );
  });

  test("may be anywhere else, counted from the file that names it", async () => {
    await workspace.write("etc/ringmaster.yaml", `database: { file: jobs.db }\n${ONE_APP}`);
    const { settings } = await workspace.load({ file: "etc/ringmaster.yaml" });
    expect(settings.database.file).toBe(workspace.path("etc/jobs.db"));
  });
});

describe("the sender", () => {
  test("has defaults that follow from the settings they are a part of", async () => {
    const { sender } = (
      await load("sender: { slots: 3 }\ndrain: { noticeMs: 0, windowMs: 100, deadlineMs: 701 }")
    ).settings;
    expect([sender.endpointConcurrency, sender.stopTimeoutMs]).toEqual([3, 350]);
  });

  const NETWORKS = "give a list of networks such as 10.0.0.0/8, 127.0.0.0/8 and fd00::/8";
  test.each([
    [
      "sender: { slots: 3, endpointConcurrency: 4 }",
      "sender.endpointConcurrency: is more than sender.slots, of which it is a part; give at most 3, or raise sender.slots",
    ],
    [
      "sender: { stopTimeoutMs: 28000 }",
      "sender.stopTimeoutMs: is not below drain.deadlineMs, so requests under way would be cut off; " +
        "give less than 28000, or raise drain.deadlineMs",
    ],
    ["sender: { slots: 251 }", "sender.slots: is above 250; give a whole number from 1 to 250"],
    [
      "sender: { slots: 0, endpointConcurrency: 250 }",
      "sender.slots: is below 1; give a whole number from 1 to 250",
    ],
    [
      "sender: { maxJobAgeMs: 59999 }",
      "sender.maxJobAgeMs: is below 60000; give a whole number of milliseconds from 60000 to 2592000000",
    ],
    [
      "sender: { certFile: cert.pem }",
      "sender.keyFile: is missing, which sender.certFile needs; give the path of a PEM file, or leave both out",
    ],
    [
      "sender: { keyFile: key.pem }",
      "sender.certFile: is missing, which sender.keyFile needs; give the path of a PEM file, or leave both out",
    ],
    [
      "sender: { allowedNetworks: 10.0.0.0 }",
      `sender.allowedNetworks: has an entry of the wrong form; ${NETWORKS}`,
    ],
    [
      "sender: { allowedNetworks: 10 }",
      `sender.allowedNetworks: has an entry of the wrong form; ${NETWORKS}`,
    ],
    ["sender: { allowedNetworks: null }", `sender.allowedNetworks: is null; ${NETWORKS}`],
    [
      "database: { commitIntervalMs: 1001 }",
      "database.commitIntervalMs: is above 1000; give a whole number of milliseconds from 0 to 1000",
    ],
    [
      "database: { durability: none }",
      "database.durability: is none of the choices; give one of process, power",
    ],
    [
      "deliveryLog: { maxAgeMs: 31622400001 }",
      "deliveryLog.maxAgeMs: is above 31622400000; give a whole number of milliseconds from 60000 to 31622400000",
    ],
    [
      "deliveryLog: { maxEntries: 999 }",
      "deliveryLog.maxEntries: is below 1000; give a whole number from 1000 to 100000000",
    ],
    ["deadLetters: { maxAge: 1 }", "deadLetters.maxAge: is no setting; did you mean maxAgeMs?"],
  ])("%s is refused", async (yaml, line) => {
    await workspace.write("cert.pem", CERTIFICATE);
    await workspace.write("key.pem", PRIVATE_KEY);
    expect((await problemsOf(yaml)).map(withoutPosition)).toEqual([line]);
  });

  test.each([
    ["0.0.0.0/0"],
    ["10.0.0.0/8"],
    ["192.0.2.1/32"],
    ["::/0"],
    ["fd00::/8"],
    ["::ffff:10.0.0.0/104"],
  ])("may be let into the network %s", async (network) => {
    const { settings } = await load(`sender: { allowedNetworks: ["${network}", 127.0.0.0/8] }`);
    expect(settings.sender.allowedNetworks).toEqual([network, "127.0.0.0/8"]);
  });

  test.each([
    ["10.0.0.0/33"],
    ["10.0.0.0/08"],
    ["10.0.0.0/-1"],
    ["10.0.0.0/"],
    ["10.0.0/8"],
    ["10.0.0.0/8/8"],
    ["::/129"],
    ["fe80::1%eth0/64"],
    ["localhost/8"],
    ["/8"],
    [""],
  ])("is not let into %j, which is no network", async (network) => {
    expect((await problemsOf(`sender: { allowedNetworks: ["${network}"] }`))[0]).toStartWith(
      "sender.allowedNetworks: has an entry of the wrong form; ",
    );
  });

  test("in a variable has networks separated by commas, or none", async () => {
    const networks = async (text: string) =>
      (
        await load("sender: { allowedNetworks: [10.0.0.0/8] }", {
          env: { RINGMASTER_SENDER_ALLOWED_NETWORKS: text },
        })
      ).settings.sender.allowedNetworks;
    expect(await networks("127.0.0.0/8, ::1/128")).toEqual(["127.0.0.0/8", "::1/128"]);
    expect(await networks("")).toEqual([]);
  });
});

describe("the sender's certificates", () => {
  const YAML = "sender: { caFile: ca.pem, certFile: cert.pem, keyFile: key.pem }";

  test("are none without files", async () => {
    expect((await load("")).senderTls).toEqual({ ca: null, cert: null, key: null });
  });

  test("are read from beside the file, checked and handed on, and looked at for changes", async () => {
    await workspace.write("ca.pem", OTHER_CERTIFICATE);
    await workspace.write("cert.pem", CERTIFICATE);
    await workspace.write("key.pem", PRIVATE_KEY);
    const { senderTls, tls, files } = await load(YAML);
    expect(senderTls).toEqual({ ca: OTHER_CERTIFICATE, cert: CERTIFICATE, key: PRIVATE_KEY });
    expect(tls).toBeNull();
    for (const name of ["ca.pem", "cert.pem", "key.pem"])
      expect([...files.keys()]).toContain(workspace.path(name));
    expect((await load("sender: { caFile: ca.pem }")).senderTls).toEqual({
      ca: OTHER_CERTIFICATE,
      cert: null,
      key: null,
    });
  });

  const GONE = "cannot be read (there is no such file); give the path of a file that can";
  test.each([
    [null, CERTIFICATE, PRIVATE_KEY, `sender.caFile: ${GONE}`],
    [OTHER_CERTIFICATE, null, PRIVATE_KEY, `sender.certFile: ${GONE}`],
    [OTHER_CERTIFICATE, CERTIFICATE, null, `sender.keyFile: ${GONE}`],
    [
      PRIVATE_KEY,
      CERTIFICATE,
      PRIVATE_KEY,
      "sender.caFile: holds no certificate; give a PEM file with those to believe",
    ],
    [
      OTHER_CERTIFICATE,
      "nonsense",
      PRIVATE_KEY,
      "sender.certFile: holds no certificate; give a PEM file with one",
    ],
    [
      OTHER_CERTIFICATE,
      CERTIFICATE,
      CERTIFICATE,
      "sender.keyFile: holds no private key; give a PEM file with one",
    ],
    [
      OTHER_CERTIFICATE,
      CERTIFICATE,
      LOCKED_PRIVATE_KEY,
      "sender.keyFile: has a passphrase; give a key without one (openssl pkey -in locked.pem -out key.pem)",
    ],
    [
      OTHER_CERTIFICATE,
      CERTIFICATE,
      OTHER_PRIVATE_KEY,
      "sender.keyFile: is not the key of sender.certFile; give the two that belong together",
    ],
  ])("that are wrong are refused: %#", async (ca, cert, key, line) => {
    for (const [name, pem] of [
      ["ca.pem", ca],
      ["cert.pem", cert],
      ["key.pem", key],
    ] as const) {
      if (pem !== null) await workspace.write(name, pem);
    }
    expect((await problemsOf(YAML)).map(withoutPosition)).toEqual([line]);
  });
});

describe("ops.adminToken", () => {
  const TOKEN = "0123456789abcdef";
  const RIGHT =
    "give at least 16 visible ASCII characters without a space, as a text, {env: NAME} or {file: PATH}, or null";

  test("is the text, from wherever it is", async () => {
    await workspace.write("token", `${TOKEN}\n`);
    for (const [yaml, variables] of [
      [`ops: { adminToken: ${TOKEN} }`, {}],
      ["ops: { adminToken: { file: token } }", {}],
      ["ops: { adminToken: { env: RINGMASTER_SHOP_TOKEN } }", { RINGMASTER_SHOP_TOKEN: TOKEN }],
    ] as const) {
      const { settings } = await load(yaml, { env: variables });
      expect(settings.ops.adminToken).toBe(TOKEN);
    }
    const env = { RINGMASTER_OPS_ADMIN_TOKEN: `${TOKEN}-of-the-variable` };
    const { settings } = await load("ops: { adminToken: { file: token } }", { env });
    expect(settings.ops.adminToken).toBe(`${TOKEN}-of-the-variable`);
    expect((await load("ops: { adminToken: 12345678901234567890 }")).settings.ops.adminToken).toBe(
      "12345678901234567890",
    );
  });

  test("is null by default, and where a variable says so", async () => {
    expect((await load("")).settings.ops.adminToken).toBeNull();
    const env = { RINGMASTER_OPS_ADMIN_TOKEN: "null" };
    expect(
      (await load(`ops: { adminToken: ${TOKEN} }`, { env })).settings.ops.adminToken,
    ).toBeNull();
  });

  test("is taken from no flag, for everybody on the machine could read it", async () => {
    expect(
      (await load("", { flags: { "ops.adminToken": TOKEN } })).settings.ops.adminToken,
    ).toBeNull();
  });

  test.each([
    ["ops: { adminToken: fifteen-letters }", `has not the right form; ${RIGHT}`],
    ["ops: { adminToken: a token with spaces }", `has not the right form; ${RIGHT}`],
    ["ops: { adminToken: ünprintable-0123456789 }", `has not the right form; ${RIGHT}`],
    ["ops: { adminToken: '' }", `is empty; ${RIGHT}`],
    [
      "ops: { adminToken: (redacted) }",
      `is not a secret but what stands in place of one; ${RIGHT}`,
    ],
    ["ops: { adminToken: { vault: x } }", `is a mapping of another form; ${RIGHT}`],
    ["ops: { adminToken: { file: short } }", `has not the right form; ${RIGHT}`],
    ["ops: { adminToken: { file: two-lines } }", `has not the right form; ${RIGHT}`],
    [
      "ops: { adminToken: { file: gone } }",
      "names a file that cannot be read (there is no such file); correct the path or its permissions",
    ],
    [
      "ops: { adminToken: { env: GONE } }",
      "names a variable that is not set; set it, or correct the name",
    ],
  ])("%s is refused", async (yaml, sentence) => {
    await workspace.write("short", "short\n");
    await workspace.write("two-lines", `${TOKEN}\n${TOKEN}\n`);
    expect((await problemsOf(yaml)).map(withoutPosition)).toEqual([`ops.adminToken: ${sentence}`]);
  });

  test("that is empty in its variable is refused", async () => {
    expect(await problemsOf("", { env: { RINGMASTER_OPS_ADMIN_TOKEN: "" } })).toEqual([
      `ops.adminToken: is empty; ${RIGHT} (RINGMASTER_OPS_ADMIN_TOKEN)`,
    ]);
  });
});
