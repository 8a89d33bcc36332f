import fc from "fast-check";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";
import { fieldByPath, fileFields } from "../../../src/ops/config/app-entry.ts";
import type { Field } from "../../../src/ops/config/field.ts";
import { settingsFields } from "../../../src/ops/config/settings.ts";
import { WEBHOOK_EVENT_NAMES } from "../../../src/protocol/webhook-event.ts";

/** A secret that no field name, sentence or path contains a piece of. */
export const secretText: fc.Arbitrary<string> = fc
  .array(fc.constantFrom(..."ZQXJ9876"), { minLength: 16, maxLength: 24 })
  .map((letters) => letters.join(""));

/** A configuration file's content that the schema takes, with at least one app. */
export const validFile: fc.Arbitrary<Record<string, unknown>> = fc
  .tuple(
    settingsTree(),
    fc.uniqueArray(appEntry(), { minLength: 1, maxLength: 3, selector: ({ id }) => id }),
  )
  .map(([settings, apps]) => ({ ...settings, apps: apps.map(withKeysOfItsOwn) }))
  .map(withoutContradictions);

function settingsTree(): fc.Arbitrary<Record<string, unknown>> {
  const isRead = (path: string) =>
    path.startsWith("tls.") || /^(sender|redis)\.[a-z]+File$/.test(path);
  // A store has one place, and its other settings go with that: here it is always the URL.
  const isOfOtherPlace = (path: string) =>
    /^redis\.(cluster|sentinel)/.test(path) || path === "redis.serverName";
  const fields = settingsFields.filter(
    ({ path }) => !isRead(path) && !isOfOtherPlace(path) && !path.endsWith("ort"),
  );
  const leaves = fc.record(
    Object.fromEntries(fields.map((field) => [field.path, valueOf(field)])),
    {
      requiredKeys: [],
    },
  );
  return leaves.map((given) => {
    const tree: Record<string, Record<string, unknown>> = {};
    const top: Record<string, unknown> = {};
    for (const [path, value] of Object.entries(given)) {
      const [section = "", leaf] = path.split(".");
      if (leaf === undefined) top[section] = value;
      else (tree[section] ??= {})[leaf] = value;
    }
    return { ...top, ...tree };
  });
}

interface AppLike {
  readonly id: string;
  readonly keys: readonly Record<string, unknown>[];
  readonly limits?: Record<string, unknown>;
}

function appEntry(): fc.Arbitrary<AppLike> {
  const leaf = (path: string) => valueOf(find(path));
  const limits = fileFields.filter(({ path }) => path.startsWith("apps[].limits."));
  return fc.record(
    {
      id: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      name: fc.string({ minLength: 1, maxLength: 200 }),
      enabled: leaf("apps[].enabled"),
      keys: fc.array(fc.record({ secret: secretText, active: fc.boolean() }), {
        minLength: 1,
        maxLength: 3,
      }),
      forceTls: leaf("apps[].forceTls"),
      clientEvents: leaf("apps[].clientEvents"),
      authorizedConnections: leaf("apps[].authorizedConnections"),
      subscriptionCount: leaf("apps[].subscriptionCount"),
      watchlist: leaf("apps[].watchlist"),
      allowedOrigins: fc.constantFrom(
        null,
        ["a.example"],
        ["*.example.com", "https://b.example:1"],
      ),
      webhooks: fc.array(webhookEntry(), { maxLength: 3 }),
      batchWebhooks: leaf("apps[].batchWebhooks"),
      limits: fc.record(
        Object.fromEntries(
          limits.map((field) => [field.path.slice("apps[].limits.".length), valueOf(field)]),
        ),
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ["id", "keys"] },
  );
}

/** The events are all, or some that every app has; ids are left out, for they must differ. */
function webhookEntry(): fc.Arbitrary<Record<string, unknown>> {
  const leaf = (name: string) => valueOf(find(`apps[].webhooks[].${name}`));
  return fc.record(
    {
      url: fc.constantFrom(
        "https://hooks.example/a",
        "http://10.0.0.1:8080/b?c=d",
        "https://ü.example/%20",
      ),
      events: fc.oneof(
        fc.constant([...WEBHOOK_EVENT_NAMES]),
        fc.subarray(["member_added", "channel_vacated", "cache_miss"], { minLength: 1 }),
      ),
      channelPrefix: fc.constantFrom(null, "presence-", "private-a.b"),
      channelSuffix: fc.constantFrom(null, "-room", "0123"),
      headers: fc.dictionary(fc.stringMatching(/^x-[a-z0-9.!~-]{1,8}$/), secretText, {
        maxKeys: 3,
      }),
      timeoutMs: leaf("timeoutMs"),
      retryWindowMs: leaf("retryWindowMs"),
    },
    { requiredKeys: ["url"] },
  );
}

function withKeysOfItsOwn(app: AppLike): AppLike {
  const keys = app.keys.map((pair, index) => ({ ...pair, key: `key-${app.id}-${index}` }));
  return { ...app, keys: [{ ...keys[0], active: true }, ...keys.slice(1)] };
}

/** What fits together by luck too seldom is made to fit. */
function withoutContradictions(file: Record<string, unknown>): Record<string, unknown> {
  const apps = (file["apps"] as AppLike[]).map((app) => {
    const {
      eventBytes: _,
      channelsPerEvent: __,
      eventsPerBatch: ___,
      ...limits
    } = app.limits ?? {};
    return { ...app, limits: { ...limits, eventBytes: PUSHER_LIMITS.eventBytes } };
  });
  return {
    ...file,
    apps,
    drain: {
      noticeMs: 1,
      ...pick(file["drain"], "noticeMs", 1_000_000),
      windowMs: 5,
      deadlineMs: 2_000_000,
    },
    websocket: {
      ...(file["websocket"] as object | undefined),
      maxFrameBytes: 131_072,
      sendQueueBytes: 131_072,
    },
    http: { maxBodyBytes: 10_000_000 },
    ...(file["redis"] === undefined ? {} : { redis: withoutHalves(file["redis"] as object) }),
    sender: { ...(file["sender"] as object | undefined), slots: 250 },
  };
}

/** The URL says who calls and which database; without it there is nobody to call. */
function withoutHalves(redis: object): Record<string, unknown> {
  const {
    username: _,
    password: __,
    database: ___,
    tls,
    ...rest
  } = redis as Record<string, unknown>;
  const hasUrl = typeof rest["url"] === "string";
  return { ...rest, ...(hasUrl && tls !== undefined ? { tls } : {}) };
}

function pick(section: unknown, name: string, most: number): Record<string, unknown> {
  const value: unknown = Object(section)[name];
  return typeof value === "number" && value <= most ? { [name]: value } : {};
}

function find(path: string): Field {
  const field = fieldByPath.get(path);
  if (field === undefined) throw new Error(`There is no field ${path}.`);
  return field;
}

function valueOf(field: Field): fc.Arbitrary<unknown> {
  const value = valueOfKind(field);
  return field.nullable ? fc.option(value) : value;
}

function valueOfKind({ kind, path, choices, right, notes }: Field): fc.Arbitrary<unknown> {
  if (kind === "switch") return fc.boolean();
  if (path === "redis.url") return secretText.map((text) => `redis://u:${text}@cache:1/2`);
  if (kind === "secret") return secretText;
  if (path === "sender.allowedNetworks")
    return fc.subarray(["10.0.0.0/8", "127.0.0.1/32", "fd00::/8", "::/0"]);
  if (kind === "list") return fc.subarray([...choices], { minLength: 1 });
  if (kind === "choice") return fc.constantFrom(...choices);
  if (kind === "number") {
    const [min = 0, max = 0] = [...right.matchAll(/[0-9]+/g)].map(([digits]) => Number(digits));
    if (path === "websocket.activityTimeoutMs")
      return fc.integer({ min: 1, max: 2_147_483 }).map((s) => s * 1_000);
    return fc.integer({ min, max });
  }
  if (notes.path === true) return fc.constantFrom("/data", "data/below", "../beside");
  if (path === "pathPrefix") return fc.constantFrom("", "/realtime", "/a/b.c");
  return fc.constantFrom("0.0.0.0", "::1", "127.0.0.1", "ringmaster.example.com", "localhost");
}
