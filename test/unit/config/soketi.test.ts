import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { LoadedConfig } from "../../../src/ops/config/load.ts";
import { SOKETI_VARIABLES } from "../../../src/ops/config/soketi/option.ts";
import {
  type SoketiTranslation,
  translateSoketi,
} from "../../../src/ops/config/soketi/translation.ts";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";
import { WEBHOOK_EVENT_NAMES } from "../../../src/protocol/webhook-event.ts";
import { Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.create();
});
afterAll(async () => {
  await workspace.remove();
});

type Json = Record<string, unknown>;

async function loaded({ yaml }: SoketiTranslation): Promise<LoadedConfig> {
  return await workspace.loadYaml(yaml, { createDefaultApp: false });
}

function app(changes: Json = {}): Json {
  return { id: "1", key: "key", secret: "secret", ...changes };
}

/** What soketi allows where nobody says anything, as limits of ours. */
const SOKETI_LIMITS = {
  ...PUSHER_LIMITS,
  eventBytes: 102_400,
  presenceUserInfoBytes: 2_048,
  clientEventsPerSecond: null,
  cacheTtlMs: 3_600_000,
};

describe("a whole configuration", () => {
  const file = {
    debug: true,
    port: 7001,
    host: "127.0.0.1",
    pathPrefix: "realtime/",
    metrics: {
      enabled: true,
      driver: "prometheus",
      host: "127.0.0.1",
      port: 9999,
      prometheus: { prefix: "ws_" },
    },
    "adapter.driver": "redis",
    adapter: { redis: { prefix: "soketi" } },
    "database.redis.password": "hunter2",
    queue: { driver: "redis" },
    cors: { origin: ["https://shop.example"] },
    channelLimits: { maxNameLength: 100, cacheTtl: 60 },
    eventLimits: { maxPayloadInKb: "20", maxBatchSize: 5 },
    presence: { maxMembersPerChannel: 250, maxMemberSizeInKb: 0.5 },
    httpApi: { requestLimitInMb: 10 },
    userAuthenticationTimeout: 10_000,
    "appManager.array.apps": [
      {
        id: "shop",
        key: "shop-key",
        secret: "shop-secret",
        maxConnections: 500,
        enableClientMessages: true,
        enabled: true,
        maxBackendEventsPerSecond: 100,
        maxClientEventsPerSecond: 20,
        maxReadRequestsPerSecond: 50,
        webhooks: [
          {
            url: "https://shop.example/hook",
            event_types: ["client_event", "channel_occupied"],
            headers: { "X-Token": "shop-token" },
            filter: { channel_name_starts_with: "presence-" },
          },
          { lambda_function: "shop-function", event_types: ["channel_occupied"] },
        ],
        enableUserAuthentication: true,
        maxPresenceMembersPerChannel: "10",
      },
      {
        AppId: 7,
        AppKey: "seven",
        AppSecret: "seven-secret",
        Enabled: "false",
        max_connections: -1,
        webhooks: [],
      },
    ],
  };

  test("becomes settings and apps of ours", async () => {
    const { settings, apps } = await loaded(
      translateSoketi(file, { SOKETI_METRICS_SERVER_PORT: "9998" }),
    );
    expect(settings).toMatchObject({
      host: "127.0.0.1",
      port: 7001,
      pathPrefix: "/realtime",
      ops: { host: "127.0.0.1", port: 9998 },
      log: { level: "debug" },
      http: { maxBodyBytes: 10_485_760 },
      websocket: { authorizationTimeoutMs: 10_000 },
    });
    const limits = {
      ...PUSHER_LIMITS,
      channelNameLength: 100,
      cacheTtlMs: 60_000,
      eventBytes: 20_480,
      eventsPerBatch: 5,
      presenceMembers: 250,
      presenceUserInfoBytes: 512,
    };
    expect(apps).toEqual([
      {
        id: "shop",
        name: "shop",
        enabled: true,
        keys: [{ key: "shop-key", secret: "shop-secret", active: true }],
        forceTls: false,
        clientEvents: true,
        authorizedConnections: true,
        subscriptionCount: false,
        watchlist: false,
        allowedOrigins: null,
        webhooks: [
          {
            id: expect.stringMatching(/^wh_/),
            url: "https://shop.example/hook",
            events: ["channel_occupied", "client_event"],
            channelPrefix: "presence-",
            channelSuffix: null,
            headers: { "x-token": "shop-token" },
            timeoutMs: 4_000,
            retryWindowMs: 300_000,
          },
        ],
        batchWebhooks: false,
        limits: {
          ...limits,
          connections: 500,
          clientEventsPerSecond: 20,
          apiRequestsPerSecond: 150,
          presenceMembers: 10,
        },
      },
      {
        id: "7",
        name: "7",
        enabled: false,
        keys: [{ key: "seven", secret: "seven-secret", active: true }],
        forceTls: false,
        clientEvents: false,
        authorizedConnections: false,
        subscriptionCount: false,
        watchlist: false,
        allowedOrigins: null,
        webhooks: [],
        batchWebhooks: true,
        limits: { ...limits, clientEventsPerSecond: null },
      },
    ]);
  });

  test("names what was not taken over, in the notes and at the top of the file, without values", () => {
    const { yaml, notes } = translateSoketi(file, {});
    expect(notes.map(({ setting }) => setting)).toEqual([
      "metrics.prometheus.prefix",
      "queue.driver",
      "cors.origin",
      "apps[0].webhooks[1]",
      "apps[0].maxBackendEventsPerSecond",
      'app "shop"',
    ]);
    const head = yaml.slice(0, yaml.indexOf("\n\n"));
    for (const { setting, why } of notes) expect(head).toContain(`# - ${setting}: ${why}`);
    expect(head.split("\n").every((line) => line.startsWith("#"))).toBeTrue();
    expect(head).not.toContain("secret:shop");
    expect(head).not.toContain("shop-token");
    expect(head).not.toContain("shop-function");
    expect(head).not.toContain("hunter2");
  });
});

describe("apps", () => {
  const limitsOf = async (changes: Json, file: Json = {}) =>
    (await loaded(translateSoketi({ ...file, "appManager.array.apps": [app(changes)] }, {})))
      .apps[0]?.limits;

  test("without limits of their own have soketi's, which are not ours", async () => {
    expect(await limitsOf({})).toEqual(SOKETI_LIMITS);
  });

  test.each([
    [{ maxConnections: -1 }, { connections: null }],
    [{ maxConnections: "0" }, { connections: null }],
    [{ maxConnections: "12" }, { connections: 12 }],
    [{ maxClientEventsPerSecond: -1 }, { clientEventsPerSecond: null }],
    [{ max_client_events_per_sec: 3 }, { clientEventsPerSecond: 3 }],
    [{ maxBackendEventsPerSecond: 5 }, { apiRequestsPerSecond: null }],
    [{ maxBackendEventsPerSecond: 5, maxReadRequestsPerSecond: 6 }, { apiRequestsPerSecond: 11 }],
    [{ maxEventPayloadInKb: 1.5 }, { eventBytes: 1_536 }],
    [{ maxEventPayloadInKb: 100_000 }, { eventBytes: 1_048_576 }],
    [{ maxEventBatchSize: 100_000 }, { eventsPerBatch: 100 }],
    [{ maxEventNameLength: "nonsense" }, { eventNameLength: 200 }],
    [{ maxChannelNameLength: "", max_channel_name_length: 50 }, { channelNameLength: 50 }],
  ] as const)("%j becomes %j", async (changes, limits) => {
    expect(await limitsOf(changes)).toMatchObject(limits);
  });

  test("that let no client event through have client events off", async () => {
    const source = {
      "appManager.array.apps": [app({ enableClientMessages: true, maxClientEventsPerSecond: 0 })],
    };
    expect((await loaded(translateSoketi(source, {}))).apps[0]?.clientEvents).toBeFalse();
  });

  test("of soketi's own default stay, with a warning about the secret that everybody knows", async () => {
    const translation = translateSoketi({}, {});
    const { apps } = await loaded(translation);
    expect(apps[0]).toMatchObject({
      id: "app-id",
      keys: [{ key: "app-key", secret: "app-secret" }],
    });
    expect(translation.notes).toContainEqual({
      setting: "apps[0].secret",
      why: "not set, so soketi takes its published default, and so does this; change it",
    });
  });

  test("whose id is no number keep it, with a note; one that fits into no URL gets a free number", async () => {
    const translation = translateSoketi({ "appManager.array.apps": [app({ id: "shop" })] }, {});
    expect((await loaded(translation)).apps[0]?.id).toBe("shop");
    expect(translation.notes.map(({ setting }) => setting)).toEqual(['app "shop"']);
    const list = ["a b", "1", "b/c", "3"].map((id) =>
      app({ id, key: `key-${id.length}-${id.charCodeAt(0)}` }),
    );
    const { apps } = await loaded(translateSoketi({ appManager: { array: { apps: list } } }, {}));
    expect(apps.map(({ id, name }) => [id, name])).toEqual([
      ["2", "a b"],
      ["1", "1"],
      ["4", "b/c"],
      ["3", "3"],
    ]);
  });

  test("that soketi would never find, and keys that fit into no URL, are left out", async () => {
    const list = [app(), app({ key: "other" }), app({ id: "2" }), app({ id: "3", key: "a/b" })];
    const translation = translateSoketi({ "appManager.array.apps": list }, {});
    expect((await loaded(translation)).apps).toHaveLength(1);
    expect(translation.notes.map(({ setting }) => setting)).toEqual([
      "apps[1]",
      "apps[2]",
      "apps[3]",
    ]);
  });

  test("from variables are put over the first one of the file", async () => {
    const env = {
      SOKETI_DEFAULT_APP_ID: "007",
      SOKETI_DEFAULT_APP_KEY: "7e40",
      SOKETI_DEFAULT_APP_SECRET: "0123",
      SOKETI_DEFAULT_APP_MAX_CONNS: "9",
      SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES: "true",
      SOKETI_DEFAULT_APP_WEBHOOKS: '[{"url":"https://x"}]',
    };
    const source = { "appManager.array.apps": [app(), app({ id: "2", key: "k2" })] };
    const translation = translateSoketi(source, env);
    const { apps } = await loaded(translation);
    expect(apps).toMatchObject([
      {
        id: "007",
        keys: [{ key: "7e40", secret: "0123" }],
        clientEvents: true,
        limits: { connections: 9 },
      },
      { id: "2" },
    ]);
    expect(translation.notes.map(({ setting }) => setting)).toEqual(["apps[0].webhooks[0]"]);
  });
});

describe("webhooks", () => {
  const HOOK = { url: "https://a.example/hook", event_types: ["cache_miss"] };
  const translated = async (webhooks: unknown, changes: Json = {}, env = {}) => {
    const source = { "appManager.array.apps": [app({ webhooks, ...changes })] };
    const translation = translateSoketi(source, env);
    const { apps } = await loaded(translation);
    return {
      webhooks: apps[0]?.webhooks ?? [],
      batchWebhooks: apps[0]?.batchWebhooks,
      notes: translation.notes.map(({ setting, why }) => `${setting}: ${why}`),
    };
  };

  test("may be JSON, as databases keep them", async () => {
    const { webhooks, notes } = await translated(undefined, { Webhooks: JSON.stringify([HOOK]) });
    expect(webhooks).toMatchObject([{ url: HOOK.url, events: ["cache_miss"] }]);
    expect(notes).toEqual([]);
  });

  test.each([[[]], ["[]"], [null], [""]])("%j are none, which is not noted", async (none) => {
    expect(await translated(none)).toMatchObject({ webhooks: [], notes: [] });
  });

  test.each([["{}"], ["nonsense"], [5], [{ url: HOOK.url }]])(
    "%j are none for soketi either, which is noted",
    async (given) => {
      expect(await translated(given)).toMatchObject({
        webhooks: [],
        notes: ["apps[0].webhooks: left out: this is no list, so soketi sends none either"],
      });
    },
  );

  test("filter by the beginning and the end of the channel's name", async () => {
    const filter = { channel_name_starts_with: "a-", channel_name_ends_with: "" };
    const other = { channel_name_ends_with: "-z", channel_name_starts_with: 5 };
    const { webhooks, notes } = await translated([
      { ...HOOK, filter },
      { ...HOOK, filter: other },
    ]);
    expect(webhooks).toMatchObject([
      { channelPrefix: "a-", channelSuffix: null },
      { channelPrefix: null, channelSuffix: "-z" },
    ]);
    expect(notes).toEqual([
      "apps[0].webhooks[1].filter: channelPrefix takes only a text; left without",
    ]);
  });

  test("are sent one by one, as soketi does, unless it was told to batch them", async () => {
    expect((await translated([HOOK])).batchWebhooks).toBeFalse();
    expect(await translated([HOOK], {}, { SOKETI_WEBHOOKS_BATCHING: "true" })).toMatchObject({
      batchWebhooks: true,
      notes: [],
    });
    const { notes } = await translated([HOOK], {}, { SOKETI_WEBHOOKS_BATCHING_DURATION: "500" });
    expect(notes).toEqual([
      "SOKETI_WEBHOOKS_BATCHING_DURATION: webhooks gather the events of a quarter of a second, as Pusher's do",
    ]);
  });

  test.each([
    [{ lambda_function: "f", event_types: ["cache_miss"] }, "functions are not called"],
    [{ lambda: { async: true }, event_types: ["cache_miss"] }, "functions are not called"],
    [{ event_types: ["cache_miss"] }, "it has no URL"],
    [null, "it has no URL"],
    ["https://a.example", "it has no URL"],
    [{ ...HOOK, url: "ftp://a.example" }, "this is no http or https URL"],
    [{ ...HOOK, url: "https://" }, "this is no http or https URL"],
    [{ url: HOOK.url }, "it is for no event that there is here"],
    [{ ...HOOK, event_types: ["subscription_count"] }, "names an event that the app does not have"],
    [{ ...HOOK, event_types: ["client_event"] }, "names an event that the app does not have"],
    [{ ...HOOK, event_types: ["cache_missed"] }, "names what is no event of webhooks"],
  ])("%j is left out, with a note", async (webhook, why) => {
    const { webhooks, notes } = await translated([webhook, HOOK]);
    expect(webhooks).toHaveLength(1);
    expect(notes[0]).toStartWith("apps[0].webhooks[0]");
    expect(notes[0]).toContain(why);
  });

  test("keep a URL beside a function, as soketi does", async () => {
    const { webhooks, notes } = await translated([{ ...HOOK, lambda_function: "f" }]);
    expect([webhooks.length, notes]).toEqual([1, []]);
  });

  test("have the user and password of a URL in the header that soketi would make of them", async () => {
    const url = "https://shop:hunter%402@a.example/hook#top";
    const { webhooks, notes } = await translated([
      { ...HOOK, url, headers: { Authorization: "Bearer x", "X-A": 5 } },
    ]);
    expect(webhooks).toMatchObject([
      {
        url: "https://a.example/hook",
        headers: { authorization: `Basic ${btoa("shop:hunter@2")}`, "x-a": "5" },
      },
    ]);
    expect(notes).toEqual([
      "apps[0].webhooks[0].url: has a user name and password in it, which became the header authorization",
    ]);
  });

  test("lose headers that no webhook of ours may have, with a note that does not show them", async () => {
    const headers = {
      "X-Pusher-Key": "hunter2",
      host: "hunter2",
      "hunter2 hunter2": "a",
      "x-two": "hunter2\nhunter2",
      "x-list": ["hunter2"],
      "x-kept": "b",
      "X-Kept": "hunter2",
    };
    const { webhooks, notes } = await translated([{ ...HOOK, headers }]);
    expect(webhooks[0]?.headers).toEqual({ "x-kept": "b" });
    expect(notes).toHaveLength(3);
    for (const note of notes) {
      expect(note).toStartWith("apps[0].webhooks[0].headers: ");
      expect(note).not.toContain("hunter2");
    }
  });
});

describe("listeners", () => {
  test("with a certificate, the one port speaks TLS", async () => {
    const source = {
      port: 443,
      ssl: { certPath: "/c.pem", keyPath: "/k.pem", caPath: "", passphrase: "" },
    };
    const { yaml, notes } = translateSoketi(source, {});
    expect(yaml).toContain(
      "port: null\ntls:\n  port: 443\n  certFile: /c.pem\n  keyFile: /k.pem\n",
    );
    expect(notes.filter(({ setting }) => setting.startsWith("ssl"))).toEqual([]);
  });

  test("with a passphrase, a relative path or half of the files there is a note", () => {
    const env = { SOKETI_SSL_CERT: "c.pem", SOKETI_SSL_KEY: "/k.pem", SOKETI_SSL_PASS: "hunter2" };
    const settings = translateSoketi({}, env).notes.map(({ setting }) => setting);
    expect(settings).toContain("SOKETI_SSL_PASS");
    expect(settings).toContain("SOKETI_SSL_CERT");
    const half = translateSoketi({}, { SOKETI_SSL_CERT: "/c.pem" });
    expect(half.notes.map(({ setting }) => setting)).toContain("SOKETI_SSL_CERT");
    expect(half.yaml).not.toContain("tls:");
  });

  test("do not share a port", async () => {
    const { settings } = await loaded(translateSoketi({ port: 9601 }, {}));
    expect([settings.port, settings.ops.port]).toEqual([9601, 9602]);
  });
});

describe("what several nodes share", () => {
  const sharedBy = (file: Json, env: Record<string, string> = {}) =>
    translateSoketi({ "adapter.driver": "redis", "appManager.array.apps": [app()], ...file }, env);

  const settingsOf = async (file: Json, env: Record<string, string> = {}) =>
    (await loaded(sharedBy(file, env))).redis?.settings;

  test("is the server of its Redis adapter, soketi's own default where none is named", async () => {
    expect((await settingsOf({}))?.place).toEqual({
      mode: "standalone",
      address: { host: "127.0.0.1", port: 6379 },
      database: 0,
    });
    const settings = await settingsOf(
      { "database.redis": { host: "cache.example", port: 7000, db: 3, username: "soketi" } },
      { SOKETI_DB_REDIS_PASSWORD: "0123", SOKETI_DB_REDIS_HOST: "::1" },
    );
    expect(settings?.place).toEqual({
      mode: "standalone",
      address: { host: "::1", port: 7000 },
      database: 3,
    });
    expect([settings?.username, settings?.password]).toEqual(["soketi", "0123"]);
    expect(sharedBy({ "database.redis.password": "x" }).notes).toEqual([]);
  });

  test("is what its Sentinels watch", async () => {
    const sentinels = JSON.stringify([
      { host: "s1", port: 26379 },
      { host: "s2", port: 26379 },
    ]);
    const settings = await settingsOf(
      {},
      {
        SOKETI_DB_REDIS_SENTINELS: sentinels,
        SOKETI_DB_REDIS_SENTINEL_PASSWORD: "1e5",
        SOKETI_DB_REDIS_DB: "2",
      },
    );
    expect(settings?.place).toEqual({
      mode: "sentinel",
      primaryName: "mymaster",
      sentinels: [
        { host: "s1", port: 26379 },
        { host: "s2", port: 26379 },
      ],
      username: null,
      password: "1e5",
      database: 2,
    });
  });

  test("is its Cluster, where it was told to use one", async () => {
    const file = { "database.redis.clusterNodes": [{ host: "c1", port: 6379 }] };
    const settings = await settingsOf({ ...file, "adapter.redis.clusterMode": true });
    expect(settings?.place).toEqual({ mode: "cluster", nodes: [{ host: "c1", port: 6379 }] });
    expect((await settingsOf(file))?.place.mode).toBe("standalone");
  });

  test.each([
    ["shop:", "shop"],
    ["a_b", "a_b"],
    ["{x}", "ringmaster"],
  ])("has soketi's prefix %j as %j", async (prefix, ours) => {
    for (const option of ["database.redis.keyPrefix", "adapter.redis.prefix"]) {
      const translation = sharedBy({ [option]: prefix });
      expect((await loaded(translation)).redis?.keyPrefix).toBe(ours);
      expect(translation.notes.map(({ setting }) => setting)).toEqual(
        ours === "ringmaster" ? [option] : [],
      );
    }
  });

  test.each([
    ["an option of soketi's library", { "adapter.redis.redisPubOptions": { tls: {}, a: 1 } }],
    ["a time that nothing is waited for", { "adapter.redis.requestsTimeout": 5_000 }],
    ["a server that cannot be", { "database.redis.host": "a/b" }],
  ])("is noted where it is %s", async (_, file) => {
    const translation = sharedBy(file);
    expect(translation.notes).toHaveLength(1);
    await loaded(translation);
  });

  test.each(["cluster", "nats"])("by %s becomes one process, with a note", async (driver) => {
    const translation = sharedBy({ "adapter.driver": driver, "database.redis.host": "cache" });
    expect((await loaded(translation)).redis).toBeNull();
    expect(translation.notes.map(({ setting }) => setting)).toEqual([
      "adapter.driver",
      "database.redis.host",
    ]);
  });
});

describe("what would lose nothing is not noted", () => {
  test("soketi's defaults, written out", () => {
    const defaults = {
      adapter: { driver: "local" },
      appManager: { driver: "array" },
      cache: { driver: "memory" },
      metrics: { enabled: true, driver: "prometheus" },
      mode: "full",
      queue: { driver: "sync" },
      rateLimiter: { driver: "local", redis: { redisOptions: {}, clusterMode: null } },
      ssl: { certPath: "", keyPath: "", passphrase: "", caPath: "" },
      "appManager.array.apps": [app()],
    };
    expect(translateSoketi(defaults, { SOKETI_DEBUG: "", HOME: "/root" }).notes).toEqual([]);
  });
});

describe("every variable of soketi's", () => {
  const kept = new Set([
    "CHANNEL_CACHE_TTL",
    "CHANNEL_LIMITS_MAX_NAME_LENGTH",
    "DEBUG",
    "DEFAULT_APP_ENABLED",
    "DEFAULT_APP_ENABLE_CLIENT_MESSAGES",
    "DEFAULT_APP_ID",
    "DEFAULT_APP_KEY",
    "DEFAULT_APP_MAX_CLIENT_EVENTS_PER_SEC",
    "DEFAULT_APP_MAX_CONNS",
    "DEFAULT_APP_SECRET",
    "DEFAULT_APP_USER_AUTHENTICATION",
    "EVENT_MAX_BATCH_SIZE",
    "EVENT_MAX_CHANNELS_AT_ONCE",
    "EVENT_MAX_NAME_LENGTH",
    "EVENT_MAX_SIZE_IN_KB",
    "HOST",
    "METRICS_HOST",
    "METRICS_SERVER_PORT",
    "PATH_PREFIX",
    "PORT",
    "PRESENCE_MAX_MEMBERS",
    "PRESENCE_MAX_MEMBER_SIZE",
    "USER_AUTHENTICATION_TIMEOUT",
    "WEBHOOKS_BATCHING",
  ]);
  const source = {
    "appManager.array.apps": [
      app({ webhooks: [{ url: "https://a.example", event_types: ["cache_miss"] }] }),
    ],
  };
  const base = translateSoketi(source, {}).yaml;
  const values: Readonly<Record<string, string>> = {
    DEBUG: "1",
    DEFAULT_APP_ENABLED: "false",
    DEFAULT_APP_ENABLE_CLIENT_MESSAGES: "1",
    DEFAULT_APP_USER_AUTHENTICATION: "true",
    HOST: "127.0.0.1",
    METRICS_HOST: "127.0.0.1",
    WEBHOOKS_BATCHING: "1",
  };

  test.each(Object.keys(SOKETI_VARIABLES))("SOKETI_%s changes the result or is noted", (suffix) => {
    const env = { [`SOKETI_${suffix}`]: values[suffix] ?? "77" };
    const { yaml, notes } = translateSoketi(source, env);
    const isNoted = notes.length > 0;
    expect(isNoted).toBe(!kept.has(suffix));
    expect(yaml).not.toBe(base);
  });

  test("that soketi does not know is noted", () => {
    expect(translateSoketi({}, { SOKETI_DEFAULT_PORT: "1" }).notes).toContainEqual({
      setting: "SOKETI_DEFAULT_PORT",
      why: "soketi does not read it either",
    });
  });
});

test("whatever soketi is told, the result is right", async () => {
  const value = fc.oneof(
    fc.integer({ min: -2, max: 200_000 }),
    fc.double(),
    fc.boolean(),
    fc.string({ maxLength: 12 }),
    fc.constantFrom(null, [], {}, "-1", "100", "a/b", "true"),
  );
  const options = [
    ...new Set(Object.values(SOKETI_VARIABLES)),
    "httpApi.requestLimitInMb",
    "cors.origin",
    "__proto__",
    "appManager",
    "metrics",
  ].filter((option) => !option.startsWith("ssl."));
  const fields = [
    "id",
    "AppId",
    "key",
    "secret",
    "maxConnections",
    "max_connections",
    "enabled",
    "webhooks",
    "nonsense",
    "maxBackendEventsPerSecond",
    "maxReadRequestsPerSecond",
    "maxClientEventsPerSecond",
    "maxEventPayloadInKb",
    "maxEventBatchSize",
    "maxEventChannelsAtOnce",
    "maxChannelNameLength",
    "maxPresenceMemberSizeInKb",
  ];
  const webhook = fc.record(
    {
      url: fc.oneof(
        value,
        fc.webUrl({ withFragments: true, authoritySettings: { withUserInfo: true } }),
        fc.constantFrom("https://ä b", "http://u:%zz@a.example", "HTTPS://A.example"),
      ),
      event_types: fc.oneof(
        value,
        fc.array(fc.oneof(value, fc.constantFrom(...WEBHOOK_EVENT_NAMES))),
      ),
      headers: fc.oneof(
        value,
        fc.dictionary(
          fc.oneof(fc.string(), fc.constantFrom("x-a", "X-A", "Host", "__proto__")),
          fc.oneof(value, fc.string({ unit: "binary" })),
        ),
      ),
      filter: fc.oneof(
        value,
        fc.record({ channel_name_starts_with: value, channel_name_ends_with: value }),
      ),
      lambda_function: value,
    },
    { requiredKeys: [] },
  );
  const webhooks = fc.array(fc.oneof({ weight: 4, arbitrary: webhook }, value), { maxLength: 3 });
  const apps = fc.array(
    fc
      .tuple(
        fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 8 }),
        fc.option(
          fc.oneof(
            webhooks,
            webhooks.map((list) => JSON.stringify(list)),
          ),
        ),
        fc.boolean(),
      )
      .map(([given, list, enableClientMessages]) =>
        list === null ? given : { ...given, webhooks: list, enableClientMessages },
      ),
    { maxLength: 4 },
  );
  const redisOptions = options.filter((option) => /^(adapter|database)\.redis\./.test(option));
  const nodes = fc.constantFrom(
    [{ host: "a", port: 1 }, { host: 1 }],
    [{ host: "::1", port: 7 }, 3],
  );
  const redis = fc
    .tuple(
      fc.dictionary(fc.constantFrom(...redisOptions), value, { maxKeys: 4 }),
      fc.record(
        {
          "database.redis.sentinels": nodes,
          "database.redis.clusterNodes": nodes,
          "adapter.redis.clusterMode": fc.boolean(),
        },
        { requiredKeys: [] },
      ),
    )
    .map(([wild, tame]) => ({ ...wild, ...tame, "adapter.driver": "redis" }));
  const source = fc.tuple(
    fc.oneof(fc.dictionary(fc.constantFrom(...options), value, { maxKeys: 10 }), redis),
    fc.oneof(apps, value),
  );
  const variables = fc.dictionary(
    fc.constantFrom(
      ...Object.keys(SOKETI_VARIABLES).filter((suffix) => !suffix.startsWith("SSL_")),
    ),
    value.map((given) => JSON.stringify(given) ?? ""),
    { maxKeys: 5 },
  );
  let webhooksSeen = 0;
  const modesSeen = new Set<string | undefined>();
  await fc.assert(
    fc.asyncProperty(source, variables, async ([file, list], given) => {
      const env = Object.fromEntries(
        Object.entries(given).map(([suffix, text]) => [`SOKETI_${suffix}`, text]),
      );
      const {
        settings,
        apps: ours,
        redis: shared,
      } = await loaded(translateSoketi({ ...file, "appManager.array.apps": list }, env));
      expect(settings.port).not.toBeNull();
      modesSeen.add(shared?.settings.place.mode);
      webhooksSeen += ours.flatMap((found) => found.webhooks).length;
    }),
    { numRuns: 500 },
  );
  // Else the property has looked at no webhook, or not at every kind of Redis.
  expect(webhooksSeen).toBeGreaterThan(0);
  expect(modesSeen.size).toBe(4);
});
