import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, mkdir } from "node:fs/promises";
import type { App } from "../../../src/protocol/app.ts";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";
import type { Field } from "../../../src/ops/config/field.ts";
import { settingsFields } from "../../../src/ops/config/settings.ts";
import { ONE_APP, Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(async () => {
  await workspace.remove();
});

/** Credentials of the default app, so that no test writes any. */
const APP_ENV = { RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "s" };

describe("values", () => {
  test("without any input there are the defaults of the schema", async () => {
    const { settings, file, sources } = await workspace.load({ env: APP_ENV });
    expect(settings).toEqual({
      host: "0.0.0.0",
      port: 6001,
      pathPrefix: "",
      tls: { port: null, certFile: null, keyFile: null, caFile: null },
      proxy: { trustedHops: 0 },
      ops: { host: "0.0.0.0", port: 9601, adminToken: null },
      log: { level: "info", format: "json" },
      roles: ["channels", "packager", "sender"],
      dataDir: workspace.path(".ringmaster"),
      maxConnections: null,
      websocket: {
        activityTimeoutMs: 120_000,
        pingAfterMs: 45_000,
        pongTimeoutMs: 30_000,
        inactivityTimeoutMs: 86_400_000,
        authorizationTimeoutMs: 30_000,
        maxFrameBytes: 65_536,
        sendQueueBytes: 1_048_576,
      },
      http: { maxBodyBytes: 1_048_576 },
      cache: { maxBytes: 67_108_864 },
      drain: { noticeMs: 5_000, windowMs: 20_000, deadlineMs: 28_000 },
      redis: {
        url: null,
        clusterNodes: [],
        sentinelNodes: [],
        sentinelPrimaryName: null,
        sentinelUsername: null,
        sentinelPassword: null,
        username: null,
        password: null,
        database: 0,
        tls: false,
        caFile: null,
        certFile: null,
        keyFile: null,
        serverName: null,
        keyPrefix: "ringmaster",
        partitions: 64,
        nodeTimeoutMs: 15_000,
        connectTimeoutMs: 5_000,
        commandTimeoutMs: 5_000,
      },
      database: {
        file: workspace.path(".ringmaster/ringmaster.db"),
        durability: "process",
        commitIntervalMs: 2,
      },
      sender: {
        slots: 200,
        endpointConcurrency: 16,
        maxJobAgeMs: 259_200_000,
        stopTimeoutMs: 5_000,
        allowedNetworks: [],
        caFile: null,
        certFile: null,
        keyFile: null,
      },
      deliveryLog: { maxAgeMs: 604_800_000, maxEntries: 1_000_000 },
      deadLetters: { maxAgeMs: 2_592_000_000, maxEntries: 100_000 },
    });
    expect(file).toBeNull();
    expect([...sources.keys()]).toEqual(["apps[0].keys[0].key", "apps[0].keys[0].secret"]);
  });

  test("a flag wins over the environment, that over the file, that over the default", async () => {
    const yaml = "port: 1001\nops: { port: 1002 }\nlog: { level: warn }\n";
    const env = { ...APP_ENV, RINGMASTER_PORT: "2001", RINGMASTER_OPS_PORT: "2002" };
    const { settings, sources } = await workspace.loadYaml(yaml, { env, flags: { port: "3001" } });
    expect([settings.port, settings.ops.port, settings.log.level, settings.log.format]).toEqual([
      3001,
      2002,
      "warn",
      "json",
    ]);
    expect(sources.get("port")).toEqual({ kind: "flag", at: "--port" });
    expect(sources.get("ops.port")).toEqual({ kind: "env", at: "RINGMASTER_OPS_PORT" });
    expect(sources.get("log.level")).toEqual({ kind: "file", at: "ringmaster.yaml:3:8" });
    expect(sources.has("log.format")).toBeFalse();
  });

  test("a stronger source hides a wrong value in a weaker one", async () => {
    const { settings } = await workspace.loadYaml("port: nonsense\n", {
      env: { ...APP_ENV, RINGMASTER_PORT: "1" },
    });
    expect(settings.port).toBe(1);
  });

  test.each(settingsFields.map((field) => [field.path, field] as const))(
    "%s can be set by its variable and by its flag",
    async (path, field) => {
      const valid = textOf(field);
      // Alone these are a contradiction, which names the field or the one that it needs.
      const isHalf =
        path.startsWith("tls.") ||
        path.endsWith("File") ||
        /^redis\.(sentinel\w+|username|password|tls|serverName)$/.test(path);
      const isSecret = field.kind === "secret";
      for (const inputs of [
        { env: { ...APP_ENV, [field.envName ?? ""]: valid } },
        ...(isSecret ? [] : [{ env: APP_ENV, flags: { [path]: valid } }]),
      ]) {
        if (isHalf) {
          expect((await workspace.problems(inputs))[0]).toMatch(/^(tls|sender|redis)\./);
          continue;
        }
        const { settings, sources } = await workspace.load(inputs);
        const [section = "", leaf] = path.split(".");
        const value: unknown = Object.entries(settings).find(([name]) => name === section)?.[1];
        const found: unknown = leaf === undefined ? value : Object(value)[leaf];
        expect(String(found)).toBe(valid);
        expect(sources.get(path)?.kind).toBe("flags" in inputs ? "flag" : "env");
      }
    },
  );

  /** A text that the field takes, other than its default. */
  function textOf({ path, kind, choices, notes, schema }: Field): string {
    if (path === "pathPrefix") return "/p";
    if (path === "sender.allowedNetworks") return "10.0.0.0/8,fd00::/8";
    if (path === "redis.url") return "redis://127.0.0.2";
    if (path.startsWith("redis.") && path.endsWith("Nodes")) return "127.0.0.2:1,localhost:2";
    if (kind === "switch") return "true";
    if (kind === "number") {
      if (path === "drain.noticeMs" || path === "drain.windowMs") return "7";
      const candidates = ["700000", "7000", "7", "3"];
      return candidates.find((digits) => schema.safeParse(Number(digits)).success) ?? "";
    }
    if (kind === "choice" || kind === "list") return choices.at(-1) ?? "";
    if (kind === "secret") return "a-token-of-sixteen-letters";
    return notes.path === true ? "/somewhere" : "127.0.0.2";
  }

  test("the word null in a variable or a flag is null where null is allowed", async () => {
    const inputs = {
      env: { ...APP_ENV, RINGMASTER_OPS_PORT: "null" },
      flags: { maxConnections: "null" },
    };
    const { settings } = await workspace.load(inputs);
    expect(settings.ops.port).toBeNull();
    expect(settings.maxConnections).toBeNull();
    expect(await workspace.problems({ env: { ...APP_ENV, RINGMASTER_LOG_LEVEL: "null" } })).toEqual(
      [
        "log.level: is none of the choices; give one of trace, debug, info, warn, error, fatal, silent (RINGMASTER_LOG_LEVEL)",
      ],
    );
  });

  test("a relative path counts from the file that names it, else from the working folder", async () => {
    await workspace.write("etc/ringmaster.yaml", "dataDir: data\n");
    const fromFile = await workspace.load({ env: APP_ENV, file: "etc/ringmaster.yaml" });
    expect(fromFile.settings.dataDir).toBe(workspace.path("etc/data"));
    const fromFlag = await workspace.load({
      env: APP_ENV,
      file: "etc/ringmaster.yaml",
      flags: { dataDir: "data" },
    });
    expect(fromFlag.settings.dataDir).toBe(workspace.path("data"));
  });

  test("RINGMASTER_CONFIG names the file, --config wins over it", async () => {
    await workspace.write("one.yaml", "port: 1\n");
    await workspace.write("two.yml", "port: 2\n");
    const env = { ...APP_ENV, RINGMASTER_CONFIG: "one.yaml" };
    expect((await workspace.load({ env })).settings.port).toBe(1);
    expect((await workspace.load({ env, file: "two.yml" })).settings.port).toBe(2);
  });

  test("a JSON file may be indented with tabs", async () => {
    await workspace.write(
      "ringmaster.json",
      '{\n\t"port": 7,\n\t"drain": {\n\t\t"noticeMs": 1\n\t}\n}\n',
    );
    const { settings } = await workspace.load({ env: APP_ENV, file: "ringmaster.json" });
    expect([settings.port, settings.drain.noticeMs]).toEqual([7, 1]);
  });

  test.each(["", "# nothing\n", "tls:\n", "---\n"])("the file %j sets nothing", async (yaml) => {
    const { sources } = await workspace.loadYaml(yaml, { env: APP_ENV });
    expect([...sources.keys()].filter((path) => !path.startsWith("apps[0]"))).toEqual([]);
  });
});

describe("apps", () => {
  test("an app has Pusher's defaults and is an App of the protocol", async () => {
    const { apps, defaultApp } = await workspace.loadYaml(ONE_APP);
    const expected: App = {
      id: "1",
      name: "1",
      enabled: true,
      keys: [{ key: "k1", secret: "s1", active: true }],
      forceTls: false,
      clientEvents: false,
      authorizedConnections: false,
      subscriptionCount: false,
      watchlist: false,
      allowedOrigins: null,
      webhooks: [],
      batchWebhooks: true,
      limits: PUSHER_LIMITS,
    };
    expect(apps).toEqual([expected]);
    expect(defaultApp).toBeNull();
  });

  test("everything that an app may say is taken", async () => {
    const { apps } = await workspace.loadYaml(`apps:
  - id: "42"
    name: Shop
    enabled: false
    keys:
      - { key: old, secret: a, active: false }
      - { key: new, secret: b }
    forceTls: true
    clientEvents: true
    authorizedConnections: true
    subscriptionCount: true
    watchlist: true
    allowedOrigins: ["app.example.com", "*.example.com", "https://x.example:8443", "capacitor://localhost"]
    limits: { connections: 5, clientEventsPerSecond: null, cacheTtlMs: 1 }
`);
    expect(apps[0]).toMatchObject({
      name: "Shop",
      enabled: false,
      keys: [
        { key: "old", active: false },
        { key: "new", active: true },
      ],
      forceTls: true,
      watchlist: true,
      allowedOrigins: [
        "app.example.com",
        "*.example.com",
        "https://x.example:8443",
        "capacitor://localhost",
      ],
      limits: { ...PUSHER_LIMITS, connections: 5, clientEventsPerSecond: null, cacheTtlMs: 1 },
    });
  });

  test("ids, keys and secrets that look like numbers are taken as they are written", async () => {
    const { apps } = await workspace.loadYaml(`apps:
  - id: 007
    keys: [{ key: 7e40, secret: 0123 }, { key: 0x1F, secret: true }, { key: 12345678901234567890, secret: 1_0 }]
`);
    expect(apps[0]?.id).toBe("007");
    expect(apps[0]?.keys.map(({ key, secret }) => [key, secret])).toEqual([
      ["7e40", "0123"],
      ["0x1F", "true"],
      ["12345678901234567890", "1_0"],
    ]);
  });

  test("an anchor shares limits between apps", async () => {
    const { apps } = await workspace.loadYaml(`apps:
  - { id: "1", keys: [{ key: a, secret: a }], limits: &small { connections: 3 } }
  - { id: "2", keys: [{ key: b, secret: b }], limits: *small }
`);
    expect(apps.map(({ limits }) => limits.connections)).toEqual([3, 3]);
  });

  test("a secret may be in a variable or in a file, whose last newline is not part of it", async () => {
    await workspace.write("etc/secrets/one", "from a file\n");
    await workspace.write("etc/secrets/two", "two lines\n\r\n");
    await workspace.write(
      "etc/ringmaster.yaml",
      `apps:
  - id: "1"
    keys:
      - { key: a, secret: { env: RINGMASTER_SHOP_SECRET } }
      - { key: b, secret: { file: secrets/one } }
      - { key: c, secret: { file: secrets/two } }
`,
    );
    const { apps, secretOrigins, files } = await workspace.load({
      file: "etc/ringmaster.yaml",
      env: { RINGMASTER_SHOP_SECRET: "from the environment" },
    });
    expect(apps[0]?.keys.map(({ secret }) => secret)).toEqual([
      "from the environment",
      "from a file",
      "two lines\n",
    ]);
    expect(secretOrigins.get("apps[0].keys[0].secret")).toEqual({
      kind: "env",
      env: "RINGMASTER_SHOP_SECRET",
    });
    expect(secretOrigins.get("apps[0].keys[1].secret")).toEqual({
      kind: "file",
      file: workspace.path("etc/secrets/one"),
    });
    expect([...files.keys()]).toEqual(
      ["etc/ringmaster.yaml", "etc/secrets/one", "etc/secrets/two"].map((name) =>
        workspace.path(name),
      ),
    );
  });
});

/** What is wrong, and the one line that it must give. `@` stands for the name of the file. */
const WRONG: readonly (readonly [yaml: string, line: string])[] = [
  ["port: 70000", "port: is above 65535; give a whole number from 0 to 65535, or null (@:1:1)"],
  ["port: -1", "port: is below 0; give a whole number from 0 to 65535, or null (@:1:1)"],
  [
    "port: 1.5",
    "port: is not a whole number; give a whole number from 0 to 65535, or null (@:1:1)",
  ],
  [
    "port: .inf",
    "port: is not a whole number; give a whole number from 0 to 65535, or null (@:1:1)",
  ],
  [
    'port: "6001"',
    "port: is a number in quotes; give a whole number from 0 to 65535, or null (@:1:1)",
  ],
  ["port: abc", "port: is not a number; give a whole number from 0 to 65535, or null (@:1:1)"],
  ['port: ""', "port: is empty; give a whole number from 0 to 65535, or null (@:1:1)"],
  ["port: [1]", "port: is a list; give a whole number from 0 to 65535, or null (@:1:1)"],
  ["port: {a: 1}", "port: is a mapping; give a whole number from 0 to 65535, or null (@:1:1)"],
  ["port: true", "port: is true or false; give a whole number from 0 to 65535, or null (@:1:1)"],
  [
    "port: null",
    "port: is null and so is tls.port, so nothing would listen; give one of them a port (@:1:1)",
  ],
  [
    "host: localhost:6001",
    'host: has not the right form; give an IP address or a host name without a port, for example "0.0.0.0" (@:1:1)',
  ],
  [
    'host: ""',
    'host: is empty; give an IP address or a host name without a port, for example "0.0.0.0" (@:1:1)',
  ],
  [
    "host: null",
    'host: is null; give an IP address or a host name without a port, for example "0.0.0.0" (@:1:1)',
  ],
  ...["realtime", "/realtime/", "/", "//a", "/a b", "/a?b"].map(
    (prefix) =>
      [
        `pathPrefix: ${prefix}`,
        'pathPrefix: has not the right form; give nothing, or a path that starts with "/" and does not end with it, ' +
          'for example "/realtime" (@:1:1)',
      ] as const,
  ),
  ["tls: 5", "tls: is a number; give a mapping with port, certFile, keyFile, caFile (@:1:1)"],
  ["tls: []", "tls: is a list; give a mapping with port, certFile, keyFile, caFile (@:1:1)"],
  [
    "log: {level: loud}",
    "log.level: is none of the choices; give one of trace, debug, info, warn, error, fatal, silent (@:1:7)",
  ],
  ["dataDir: ''", "dataDir: is empty; give the path of a folder (@:1:1)"],
  [
    "maxConnections: 0",
    "maxConnections: is below 1; give a whole number from 1 to 10000000, or null (@:1:1)",
  ],
  [
    "websocket: {activityTimeoutMs: 1500}",
    "websocket.activityTimeoutMs: is between two steps; give whole seconds, in milliseconds, from 1000 to 2147483000 (@:1:13)",
  ],
  [
    "websocket: {activityTimeoutMs: 0}",
    "websocket.activityTimeoutMs: is below 1000; give whole seconds, in milliseconds, from 1000 to 2147483000 (@:1:13)",
  ],
  [
    "websocket: {pongTimeoutMs: 0}",
    "websocket.pongTimeoutMs: is below 1; give a whole number of milliseconds from 1 to 2147483647 (@:1:13)",
  ],
  [
    "websocket: {pingAfterMs: 2147483648}",
    "websocket.pingAfterMs: is above 2147483647; give a whole number of milliseconds from 1 to 2147483647 (@:1:13)",
  ],
  [
    "drain: {noticeMs: 10000, windowMs: 18000}",
    "drain.deadlineMs: is not more than drain.noticeMs and drain.windowMs together, so sockets would be cut off; " +
      "give more than 28000, or make the others shorter",
  ],
  ["prot: 1", "prot: is no setting; did you mean port? (@:1:1)"],
  ["max_connections: 1", "max_connections: is no setting; did you mean maxConnections? (@:1:1)"],
  ["windowMs: 1", "windowMs: is no setting; did you mean drain.windowMs? (@:1:1)"],
  ["log: {fromat: json}", "log.fromat: is no setting; did you mean format? (@:1:7)"],
  [
    "drain: {hunter2: 1}",
    "drain: has a field that is no setting; the settings here are noticeMs, windowMs, deadlineMs (@:1:9)",
  ],
  [
    "kafka: x",
    "the top level: has a field that is no setting; the settings here are host, port, pathPrefix, tls, proxy, ops, log, " +
      "roles, dataDir, maxConnections, websocket, http, cache, drain, redis, database, sender, deliveryLog, deadLetters, " +
      "apps (@:1:1)",
  ],
  [
    "ops: {port: 6001}",
    "ops.port: is the same port as port on the same host; give another (@:1:7)",
  ],
  [
    "{host: 127.0.0.1, ops: {port: 6001}}",
    "ops.port: is the same port as port on the same host; give another (@:1:25)",
  ],
  [
    "tls: {port: 6002}\nops: {port: null}",
    "tls.certFile: is missing, which tls.port needs; give the path of a PEM file, or set tls.port to null",
  ],
  [
    "tls: {certFile: a.pem, keyFile: b.pem}",
    "tls.port: is null, so tls.certFile and tls.keyFile would do nothing; give a port such as 6002, or leave them out",
  ],
  [
    "tls: {caFile: a.pem}",
    "tls.port: is null, so tls.caFile would do nothing; give a port such as 6002, or leave them out",
  ],
  [
    "websocket: {maxFrameBytes: 64095}",
    "websocket.maxFrameBytes: cannot carry the largest event that the default app may send; give at least 64096, " +
      "or lower eventBytes, eventNameLength or channelNameLength among its limits (@:1:13)",
  ],
  [
    "websocket: {sendQueueBytes: 2000}",
    "websocket.sendQueueBytes: cannot carry the largest event that the default app may send; give at least 64096, " +
      "or lower eventBytes, eventNameLength or channelNameLength among its limits (@:1:13)",
  ],
  [
    "http: {maxBodyBytes: 2000}",
    "http.maxBodyBytes: cannot carry the largest publish or batch that the default app may send; give at least 641216, " +
      "or lower eventBytes, eventNameLength, channelNameLength, channelsPerEvent or eventsPerBatch among its limits (@:1:8)",
  ],
  [
    "apps: []",
    "apps: is an empty list; give a list with at least one app, or leave it out for one default app (@:1:1)",
  ],
  [
    "apps:",
    "apps: is null; give a list with at least one app, or leave it out for one default app (@:1:1)",
  ],
  [
    "apps: {shop: {}}",
    "apps: is a mapping; give a list with at least one app, or leave it out for one default app (@:1:1)",
  ],
  [
    "just a text",
    'ringmaster.yaml: is a text; give a mapping of settings, such as "port: 6001" (@:1:1)',
  ],
  ["- a", 'ringmaster.yaml: is a list; give a mapping of settings, such as "port: 6001" (@:1:1)'],
];

/** The same for one app; `$` stands for its path. */
const WRONG_APP: readonly (readonly [app: string, line: string])[] = [
  [
    "keys: [{key: k, secret: s}]",
    '$.id: is missing; give 1 to 64 letters, digits, - and _, for example "1"',
  ],
  [
    "id: my shop\nkeys: [{key: k, secret: s}]",
    '$.id: has not the right form; give 1 to 64 letters, digits, - and _, for example "1"',
  ],
  [
    'id: ""\nkeys: [{key: k, secret: s}]',
    '$.id: is empty; give 1 to 64 letters, digits, - and _, for example "1"',
  ],
  ['id: "1"', "$.keys: is missing; give a list with at least one {key, secret}"],
  ['id: "1"\nkeys: []', "$.keys: is an empty list; give a list with at least one {key, secret}"],
  [
    'id: "1"\nkeys: {key: k, secret: s}',
    "$.keys: is a mapping; give a list with at least one {key, secret}",
  ],
  ['id: "1"\nkeys: [k]', "$.keys[0]: is a text; give a mapping with key, secret, active"],
  [
    'id: "1"\nkeys: [{key: a/b, secret: s}]',
    "$.keys[0].key: has not the right form; give 1 to 200 letters, digits and . _ ~ @ + = -",
  ],
  [
    'id: "1"\nkeys: [{secret: s}]',
    "$.keys[0].key: is missing; give 1 to 200 letters, digits and . _ ~ @ + = -",
  ],
  [
    'id: "1"\nkeys: [{key: k}]',
    "$.keys[0].secret: is missing; give a non-empty string, {env: NAME} or {file: PATH}",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: ""}]',
    "$.keys[0].secret: is empty; give a non-empty string, {env: NAME} or {file: PATH}",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: null}]',
    "$.keys[0].secret: is null; give a non-empty string, {env: NAME} or {file: PATH}",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {vault: x}}]',
    "$.keys[0].secret: is a mapping of another form; give a non-empty string, {env: NAME} or {file: PATH}",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {env: A, file: B}}]',
    "$.keys[0].secret: is a mapping of another form; give a non-empty string, {env: NAME} or {file: PATH}",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: (redacted)}]',
    "$.keys[0].secret: is not a secret but what stands in place of one; give a non-empty string, {env: NAME} or {file: PATH}",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {env: NOT_SET}}]',
    "$.keys[0].secret: names a variable that is not set; set it, or correct the name",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {env: EMPTY}}]',
    "$.keys[0].secret: names a variable that is empty; give it the secret",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {file: nowhere}}]',
    "$.keys[0].secret: names a file that cannot be read (there is no such file); correct the path or its permissions",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {file: folder}}]',
    "$.keys[0].secret: names a file that cannot be read (it is no regular file); correct the path or its permissions",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {file: /dev/zero}}]',
    "$.keys[0].secret: names a file that cannot be read (it is no regular file); correct the path or its permissions",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: {file: empty}}]',
    "$.keys[0].secret: names a file that is empty; put the secret into it",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s, active: false}]',
    "$.keys: has no active key; add one, or set active to true on one of them " +
      "(to close the app, set its enabled to false)",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s, active: "no"}]',
    "$.keys[0].active: is a text; give true or false",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}]\nforceTls: 1',
    "$.forceTls: is a number; give true or false",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}]\nforceTLS: true',
    "$.forceTLS: is no setting; did you mean forceTls?",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}]\nallowedOrigins: []',
    "$.allowedOrigins: is an empty list; give a list of hosts (app.example.com, *.example.com) or full origins " +
      "(https://app.example.com), or null",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}]\nallowedOrigins: [ok.example, "https://a/b"]',
    "$.allowedOrigins[1]: has an entry of the wrong form; give a list of hosts (app.example.com, *.example.com) or " +
      "full origins (https://app.example.com), or null",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}]\nlimits: {connections: 0}',
    "$.limits.connections: is below 1; give a whole number from 1 to 10000000, or null",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}]\nlimits: {eventBytes: null}',
    "$.limits.eventBytes: is null; give a whole number of bytes from 1 to 16777216",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}]\nlimits: {conections: 1}',
    "$.limits.conections: is no setting; did you mean connections?",
  ],
  [
    'id: "1"\nkeys: [{key: k, secret: s}, {key: k, secret: t}]',
    "$.keys[1].key: is the same as $.keys[0].key; give each key to one app, once",
  ],
  [
    'id: "7"\nkeys: [{key: k, secret: s}]',
    "$.id: is the same as apps[0].id; give each app an id of its own",
  ],
  [
    'id: "1"\nkeys: [{key: taken, secret: s}]',
    "$.keys[0].key: is the same as apps[0].keys[0].key; give each key to one app, once",
  ],
];

describe("a wrong configuration", () => {
  test.each(WRONG)("%s", async (yaml, line) => {
    const found = await workspace.problemsOfYaml(yaml, { env: {} });
    expect(found).toContain(line.replaceAll("@", "ringmaster.yaml"));
  });

  test.each(WRONG_APP)("app %s", async (app, line) => {
    await mkdir(workspace.path("folder"));
    await workspace.write("empty", "\n");
    const indented = app.replaceAll("\n", "\n    ");
    const yaml = `apps:\n  - id: "7"\n    keys: [{key: taken, secret: s}]\n  - ${indented}\n`;
    const found = await workspace.problemsOfYaml(yaml, { env: { EMPTY: "" } });
    expect(found.map((text) => text.replace(/ \(ringmaster\.yaml:[0-9]+:[0-9]+\)$/, ""))).toEqual([
      line.replaceAll("$", "apps[1]"),
    ]);
  });

  test("an app whose events fit into no frame is named, and the largest one only", async () => {
    const app = (id: number, eventBytes: number) =>
      `  - {id: "${id}", keys: [{key: k${id}, secret: s}], limits: {eventBytes: ${eventBytes}}}\n`;
    expect(
      await workspace.problemsOfYaml(`apps:\n${app(1, 11_000)}${app(2, 20_000)}${app(3, 12_000)}`),
    ).toEqual([
      "websocket.maxFrameBytes: cannot carry the largest event that apps[1] may send; give at least 122656, " +
        "or lower eventBytes, eventNameLength or channelNameLength among its limits",
      "http.maxBodyBytes: cannot carry the largest publish or batch that apps[1] may send; give at least 1226816, " +
        "or lower eventBytes, eventNameLength, channelNameLength, channelsPerEvent or eventsPerBatch among its limits",
    ]);
  });

  test("the largest event that the limits allow does fit into the smallest frame that is accepted", async () => {
    // Every byte of the data a control character, which JSON writes as six bytes.
    const { eventBytes, eventNameLength, channelNameLength } = PUSHER_LIMITS;
    const frame = JSON.stringify({
      event: "\u0001".repeat(eventNameLength),
      channel: "\u0001".repeat(channelNameLength),
      data: "\u0001".repeat(eventBytes),
      socket_id: "1234567890.1234567890",
    });
    await workspace.loadYaml(`websocket: {maxFrameBytes: ${64_096}}`, { env: APP_ENV });
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(64_096);
  });

  test("two listeners may both take a free port, or the same port of two addresses", async () => {
    await workspace.loadYaml("port: 0\nops: {port: 0}\n", { env: APP_ENV });
    await workspace.loadYaml("host: 127.0.0.1\nport: 7000\nops: {host: 127.0.0.2, port: 7000}\n", {
      env: APP_ENV,
    });
  });

  test("everything is told at once, each on a line with its source", async () => {
    const problems = await workspace.problemsOfYaml(
      `port: x
prot: 1
apps:
  - {id: a/b, keys: [{key: k, secret: ""}]}
  - {id: "2", keys: [{key: k, secret: {env: GONE}}], limits: 3}
`,
      {
        env: { RINGMASTER_LOG_LEVEL: "loud", RINGMASTER_APP_KEY: "k", RINGMASTER_NONE: "" },
        flags: { host: "" },
      },
    );
    expect(problems).toEqual([
      "prot: is no setting; did you mean port? (ringmaster.yaml:2:1)",
      "RINGMASTER_NONE: is not a variable of Ringmaster; unset it (`ringmaster config docs` lists them all)",
      "RINGMASTER_APP_KEY: is for the default app, but the file lists apps; unset it, or take apps out of the file",
      "log.level: is none of the choices; give one of trace, debug, info, warn, error, fatal, silent (RINGMASTER_LOG_LEVEL)",
      'host: is empty; give an IP address or a host name without a port, for example "0.0.0.0" (--host)',
      "port: is not a number; give a whole number from 0 to 65535, or null (ringmaster.yaml:1:1)",
      "apps[1].keys[0].key: is the same as apps[0].keys[0].key; give each key to one app, once (ringmaster.yaml:5:23)",
      'apps[0].id: has not the right form; give 1 to 64 letters, digits, - and _, for example "1" (ringmaster.yaml:4:6)',
      "apps[0].keys[0].secret: is empty; give a non-empty string, {env: NAME} or {file: PATH} (ringmaster.yaml:4:31)",
      "apps[1].keys[0].secret: names a variable that is not set; set it, or correct the name (ringmaster.yaml:5:31)",
      expect.stringMatching(
        /^apps\[1\]\.limits: is a number; give a mapping with connections, .* \(ringmaster\.yaml:5:54\)$/,
      ),
    ]);
  });

  test("no contradiction is told about a field that is wrong by itself", async () => {
    expect(
      await workspace.problemsOfYaml("drain: {noticeMs: -1, windowMs: 30000}", { env: APP_ENV }),
    ).toEqual([
      "drain.noticeMs: is below 0; give a whole number of milliseconds from 0 to 2147483647 (ringmaster.yaml:1:9)",
    ]);
  });

  test("a field of the prototype is a field like any other that is no setting", async () => {
    const problems = await workspace.problemsOfYaml(
      "__proto__: {port: 1}\nconstructor: 2\nlog: {__proto__: 3}\n",
    );
    expect(problems).toHaveLength(3);
    expect(problems[2]).toBe(
      "log: has a field that is no setting; the settings here are level, format (ringmaster.yaml:3:7)",
    );
  });
});

describe("the file itself", () => {
  test("must be there", async () => {
    expect(await workspace.problems({ file: "gone.yaml" })).toEqual([
      "gone.yaml: cannot be read (there is no such file); give a file that can (--config)",
    ]);
    expect(await workspace.problems({ env: { RINGMASTER_CONFIG: "gone.yaml" } })).toEqual([
      "gone.yaml: cannot be read (there is no such file); give a file that can (RINGMASTER_CONFIG)",
    ]);
    await mkdir(workspace.path("folder.yaml"));
    expect(await workspace.problems({ file: "folder.yaml" })).toEqual([
      "folder.yaml: cannot be read (it is no regular file); give a file that can (--config)",
    ]);
  });

  test.skipIf(process.getuid?.() === 0)("must be readable", async () => {
    await chmod(await workspace.write("locked.yaml", ""), 0);
    expect(await workspace.problems({ file: "locked.yaml" })).toEqual([
      "locked.yaml: cannot be read (permission is denied); give a file that can (--config)",
    ]);
  });

  test.each(["ringmaster.toml", "ringmaster", ""])(
    "must have one of the endings: %j",
    async (file) => {
      expect(await workspace.problems({ file })).toEqual([
        "--config: names no configuration file; give one that ends in .yaml, .yml or .json",
      ]);
    },
  );

  test("must be UTF-8", async () => {
    await workspace.write("ringmaster.yaml", new Uint8Array([0x70, 0xff, 0xfe]));
    expect(await workspace.problems({ file: "ringmaster.yaml" })).toEqual([
      "ringmaster.yaml: is not written in UTF-8; save it as UTF-8",
    ]);
  });

  const SYNTAX: readonly (readonly [string, string])[] = [
    ["port: 1\n\thost: x", "a tab is used for indentation; use spaces (@:2:1)"],
    ["port: 1\nport: 2", "a field is there twice; leave one out (@:2:1)"],
    [
      "port: [1, 2",
      "the indentation is wrong, or a bracket is not closed; align the fields of one mapping (@:1:12)",
    ],
    [
      'host: "x',
      'something is not closed or not separated (a quote, a bracket, a ":" or a ","); add it (@:1:9)',
    ],
    ["a: b: c", 'there are two ":" on one line; quote the text, or begin a new line (@:1:4)'],
    [
      "host: @x",
      "a text begins with a character that YAML keeps for itself; quote the text (@:1:7)",
    ],
    [
      "host: *x",
      "has an alias (*) that leads nowhere, to itself or to too much; write the value out instead (@:1:1)",
    ],
    [
      "tls: &x {port: *x}",
      "has an alias (*) that leads nowhere, to itself or to too much; write the value out instead (@:1:1)",
    ],
    ["host: !x y", "there is an unknown tag (!); quote the text if none is meant (@:1:7)"],
    ["--- {}\n--- {}", "there is a second document (---) in the file; keep one (@:2:1)"],
    ["? [a]\n: 1", "the name of a field is no text; quote it (@:1:3)"],
    [
      'host: "\\q"',
      "a text in double quotes has an escape that does not exist; write \\\\ for \\, or use single quotes (@:1:8)",
    ],
    [
      "%x\n---\nport: 1",
      "a line begins with %, which YAML keeps for itself; quote the text (@:1:1)",
    ],
    ["nonsense\nport: 1", 'a field has no ":" behind its name; write "name: value" (@:1:1)'],
    ["[".repeat(50_000), "the file is nested too deeply; write it flatter"],
    [
      `a: &a [x,x]\n${[..."bcdefghij"].map((name, index) => `${name}: &${name} [${`*${"abcdefghi"[index]},`.repeat(9)}]\n`).join("")}`,
      "has an alias (*) that leads nowhere, to itself or to too much; write the value out instead (@:1:1)",
    ],
  ];
  test.each(SYNTAX)("must be YAML or JSON: %#", async (yaml, message) => {
    const problems = await workspace.problemsOfYaml(yaml, { env: APP_ENV });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toStartWith(
      `ringmaster.yaml: ${message.replaceAll("@", "ringmaster.yaml")}`,
    );
  });

  test("does not hide what is wrong in flags and variables", async () => {
    const problems = await workspace.problemsOfYaml("[", {
      env: { ...APP_ENV, RINGMASTER_PORT: "x" },
    });
    expect(problems.map((line) => line.split(":")[0])).toEqual(["ringmaster.yaml", "port"]);
  });
});

describe("variables", () => {
  test("that nothing reads are refused, with a suggestion where one is near", async () => {
    const env = {
      ...APP_ENV,
      RINGMASTER_PROT: "1",
      RINGMASTER_DRAIN_WINDOW: "1",
      RINGMASTER_X: "1",
      RINGMASTR: "1",
    };
    expect(await workspace.problems({ env })).toEqual([
      "RINGMASTER_PROT: is not a variable of Ringmaster; did you mean RINGMASTER_PORT?",
      "RINGMASTER_DRAIN_WINDOW: is not a variable of Ringmaster; did you mean RINGMASTER_DRAIN_WINDOW_MS?",
      expect.stringMatching(/^RINGMASTER_X: is not a variable of Ringmaster; /),
    ]);
  });

  test("of the client commands are let be", async () => {
    await workspace.load({
      env: {
        ...APP_ENV,
        RINGMASTER_URL: "http://k:s@localhost/apps/1",
        RINGMASTER_ADMIN_URL: "http://localhost:9601",
        RINGMASTER_ADMIN_TOKEN: "t",
      },
    });
  });

  test("that Kubernetes sets for Services named ringmaster and ringmaster-ops are passed over", async () => {
    const { settings } = await workspace.load({
      env: {
        ...APP_ENV,
        RINGMASTER_PORT: "tcp://10.0.0.1:6001",
        RINGMASTER_PORT_6001_TCP: "tcp://10.0.0.1:6001",
        RINGMASTER_PORT_6001_TCP_ADDR: "10.0.0.1",
        RINGMASTER_PORT_6001_TCP_PORT: "6001",
        RINGMASTER_PORT_6001_TCP_PROTO: "tcp",
        RINGMASTER_SERVICE_HOST: "10.0.0.1",
        RINGMASTER_SERVICE_PORT: "6001",
        RINGMASTER_SERVICE_PORT_HTTP: "6001",
        RINGMASTER_OPS_PORT: "tcp://10.0.0.2:9601",
        RINGMASTER_OPS_SERVICE_HOST: "10.0.0.2",
        RINGMASTER_REDIS_PORT: "udp://10.0.0.3:1",
      },
    });
    expect([settings.port, settings.ops.port]).toEqual([6001, 9601]);
  });

  test("for the default app contradict a list of apps, unless the list refers to them", async () => {
    const env = {
      RINGMASTER_APP_ID: "1",
      RINGMASTER_APP_KEY: "k",
      RINGMASTER_APP_SECRET: "s",
      RINGMASTER_APP_WEBHOOK_URL: "https://a.example",
    };
    expect(await workspace.problemsOfYaml(ONE_APP, { env })).toEqual(
      ["ID", "KEY", "SECRET", "WEBHOOK_URL"].map(
        (name) =>
          `RINGMASTER_APP_${name}: is for the default app, but the file lists apps; unset it, or take apps out of the file`,
      ),
    );
    const referring = ONE_APP.replace("secret: s1", "secret: { env: RINGMASTER_APP_SECRET }");
    await workspace.loadYaml(referring, { env: { RINGMASTER_APP_SECRET: "s" } });
  });
});
