import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { headerNameFault } from "../../../src/ops/config/header-name.ts";
import { webhookId } from "../../../src/ops/config/webhook-id.ts";
import { webhookUrlFault } from "../../../src/ops/config/webhook-url.ts";
import type { App } from "../../../src/protocol/app.ts";
import { WEBHOOK_EVENT_NAMES } from "../../../src/protocol/webhook-event.ts";
import { ONE_APP, Workspace } from "./workspace.ts";

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(async () => {
  await workspace.remove();
});

type Json = Record<string, unknown>;

async function appWith(webhooks: unknown, app: Json = {}, env: Json = {}): Promise<App> {
  const entry = { id: "1", keys: [{ key: "k", secret: "s" }], webhooks, ...app };
  await workspace.write("webhooks.json", JSON.stringify({ apps: [entry] }));
  const { apps } = await workspace.load({
    file: "webhooks.json",
    env: env as Readonly<Record<string, string>>,
  });
  const [loaded] = apps;
  if (loaded === undefined) throw new Error("There is no app.");
  return loaded;
}

const EVERYTHING = {
  url: "https://a.example/hooks",
  events: WEBHOOK_EVENT_NAMES,
  channelPrefix: null,
  channelSuffix: null,
  headers: {},
  timeoutMs: 4_000,
  retryWindowMs: 300_000,
};

/** As the definition says it, and not as the code does. */
function derivedId(...parts: readonly string[]): string {
  return `wh_${createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 10)}`;
}

describe("a webhook", () => {
  test("with nothing but a URL is told of everything, as Pusher would", async () => {
    const { webhooks, batchWebhooks } = await appWith([{ url: EVERYTHING.url }]);
    expect(webhooks).toEqual([
      {
        ...EVERYTHING,
        id: derivedId(
          EVERYTHING.url,
          "cache_miss",
          "channel_occupied",
          "channel_vacated",
          "client_event",
          "member_added",
          "member_removed",
          "subscription_count",
          "",
          "",
        ),
      },
    ]);
    expect(batchWebhooks).toBeTrue();
  });

  test("may say everything", async () => {
    const webhook = {
      id: "mine",
      url: "http://10.0.0.1:8080/hooks?x=1",
      events: ["member_added", "channel_vacated"],
      channelPrefix: "presence-",
      channelSuffix: "-eu",
      headers: { "X-Api-Key": "abc", accept: "a b" },
      timeoutMs: 100,
      retryWindowMs: 259_200_000,
    };
    const { webhooks, batchWebhooks } = await appWith([webhook], { batchWebhooks: false });
    expect(webhooks).toEqual([
      {
        ...webhook,
        events: ["channel_vacated", "member_added"],
        headers: { "x-api-key": "abc", accept: "a b" },
      },
    ]);
    expect(batchWebhooks).toBeFalse();
  });

  test("names an event once, however often it is listed", async () => {
    const { webhooks } = await appWith([
      { url: EVERYTHING.url, events: ["cache_miss", "member_added", "cache_miss"] },
    ]);
    expect(webhooks[0]?.events).toEqual(["member_added", "cache_miss"]);
  });

  test("takes texts that look like numbers as they are written", async () => {
    const { apps } = await workspace.loadYaml(
      `${ONE_APP}    webhooks: [{ url: "https://a.example", id: 007, channelPrefix: 0123, headers: { x-a: 7e40, x-b: true } }]\n`,
    );
    expect(apps[0]?.webhooks[0]).toMatchObject({
      id: "007",
      channelPrefix: "0123",
      headers: { "x-a": "7e40", "x-b": "true" },
    });
  });

  test("may keep values of headers in variables and files, which are looked at for changes", async () => {
    await workspace.write("etc/token", "Bearer abc\n");
    await workspace.write(
      "etc/ringmaster.yaml",
      `${ONE_APP}    webhooks:
      - url: https://a.example
        headers: { Authorization: { file: token }, x.y: { env: RINGMASTER_SHOP_TOKEN } }
`,
    );
    const { apps, secretOrigins, files, sources } = await workspace.load({
      file: "etc/ringmaster.yaml",
      env: { RINGMASTER_SHOP_TOKEN: "from the environment" },
    });
    expect(apps[0]?.webhooks[0]?.headers).toEqual({
      authorization: "Bearer abc",
      "x.y": "from the environment",
    });
    const headers = "apps[0].webhooks[0].headers";
    expect(secretOrigins.get(`${headers}.authorization`)).toEqual({
      kind: "file",
      file: workspace.path("etc/token"),
    });
    expect(secretOrigins.get(`${headers}.x.y`)).toEqual({
      kind: "env",
      env: "RINGMASTER_SHOP_TOKEN",
    });
    expect([...files.keys()]).toContain(workspace.path("etc/token"));
    expect(sources.get(headers)?.at).toBe("etc/ringmaster.yaml:6:9");
    expect(sources.get("apps[0].webhooks[0].url")?.at).toBe("etc/ringmaster.yaml:5:9");
  });
});

describe("the id of a webhook that has none", () => {
  const url = "https://a.example";

  test("is made of url, events, channelPrefix and channelSuffix, whatever the order of the events", async () => {
    const { webhooks } = await appWith([
      { url, events: ["member_removed", "cache_miss"], channelPrefix: "a", channelSuffix: "z" },
      { url, events: ["cache_miss"], timeoutMs: 200, headers: { "x-a": "b" } },
    ]);
    expect(webhooks.map(({ id }) => id)).toEqual([
      derivedId(url, "cache_miss", "member_removed", "a", "z"),
      derivedId(url, "cache_miss", "", ""),
    ]);
  });

  test("has a number where an app has it already, given or made", async () => {
    const id = derivedId(url, "cache_miss", "", "");
    const same = { url, events: ["cache_miss"] };
    const idsOf = async (webhooks: unknown) =>
      (await appWith(webhooks)).webhooks.map((webhook) => webhook.id);
    expect(await idsOf([same, same, same])).toEqual([id, `${id}-2`, `${id}-3`]);
    expect(await idsOf([same, { ...same, id }, { ...same, id: `${id}-2` }])).toEqual([
      `${id}-3`,
      id,
      `${id}-2`,
    ]);
  });

  test("is one that a file may give, and never one that is taken", () => {
    fc.assert(
      fc.property(
        fc.webUrl(),
        fc.subarray([...WEBHOOK_EVENT_NAMES], { minLength: 1 }),
        fc.option(fc.string({ minLength: 1 })),
        fc.nat(5),
        (address, events, channelPrefix, equals) => {
          const webhook = { url: address, events, channelPrefix, channelSuffix: null };
          const taken = new Set<string>();
          for (let made = 0; made <= equals; made++) taken.add(webhookId(webhook, taken));
          expect(taken.size).toBe(equals + 1);
          for (const id of taken) expect(id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
        },
      ),
    );
  });
});

const URL_RIGHT = "give an absolute URL such as https://example.com/webhooks";
const NOT_ABSOLUTE = `is no absolute URL; ${URL_RIGHT}`;
const VALUE_RIGHT =
  "give each header a text of visible Latin-1 characters with spaces only inside, {env: NAME} or {file: PATH}";
const RESERVED =
  "has a header that Ringmaster or HTTP sets; leave out connection, content-length, content-type, expect, host, " +
  "keep-alive, te, trailer, transfer-encoding, upgrade and all that begin with proxy-, ringmaster-, webhook-, x-pusher-";
const BAD_NAME =
  "has a name that no HTTP header can have; give it letters, digits and - alone, for example x-api-key";
const EVENTS_RIGHT = `give a list with at least one of ${WEBHOOK_EVENT_NAMES.join(", ")}`;

/** What is wrong with one webhook, at which field of it, and the sentence about it. */
const WRONG: readonly (readonly [webhook: unknown, field: string, sentence: string])[] = [
  [
    "https://a.example",
    "",
    "is a text; give a mapping with id, url, events, channelPrefix, channelSuffix, headers, timeoutMs, retryWindowMs",
  ],
  [{}, ".url", `is missing; ${URL_RIGHT}`],
  [{ url: "" }, ".url", `is empty; ${URL_RIGHT}`],
  [{ url: null }, ".url", `is null; ${URL_RIGHT}`],
  [{ url: "/hooks" }, ".url", NOT_ABSOLUTE],
  [{ url: "a.example/hooks" }, ".url", NOT_ABSOLUTE],
  [{ url: "https:a.example" }, ".url", NOT_ABSOLUTE],
  [{ url: "https:///a.example" }, ".url", NOT_ABSOLUTE],
  [{ url: "https://" }, ".url", NOT_ABSOLUTE],
  [{ url: "https://a b.example" }, ".url", NOT_ABSOLUTE],
  [{ url: " https://a.example" }, ".url", NOT_ABSOLUTE],
  [{ url: "https://a.example/\nx" }, ".url", NOT_ABSOLUTE],
  [{ url: "https://a.example:99999" }, ".url", NOT_ABSOLUTE],
  [{ url: "ftp://a.example" }, ".url", `is neither http nor https; ${URL_RIGHT}`],
  ...["https://user:hunter2@a.example", "https://user@a.example", "https://@a.example"].map(
    (url) =>
      [
        { url },
        ".url",
        "has a user name or a password in it, which logs would show (that goes into headers, as authorization); " +
          URL_RIGHT,
      ] as const,
  ),
  [
    { url: "https://a.example/x#" },
    ".url",
    `has a fragment (#), which no server ever sees; ${URL_RIGHT}`,
  ],
  [
    { id: "a/b" },
    ".id",
    "has not the right form; give 1 to 64 letters, digits, - and _, or leave it out",
  ],
  [{ id: null }, ".id", "is null; give 1 to 64 letters, digits, - and _, or leave it out"],
  [{ events: [] }, ".events", `is an empty list; ${EVENTS_RIGHT}`],
  [{ events: null }, ".events", `is null; ${EVENTS_RIGHT}`],
  [{ events: "cache_miss" }, ".events", `is a text; ${EVENTS_RIGHT}`],
  [
    { events: ["cache_miss", "cache_missed"] },
    ".events[1]",
    `has an entry that is none of the choices; ${EVENTS_RIGHT}`,
  ],
  [
    { events: ["client_event"] },
    ".events",
    "has client_event, which this app never has while its clientEvents is false; set that to true, or take the event " +
      "out of the list",
  ],
  [
    { events: ["cache_miss", "subscription_count"] },
    ".events",
    "has subscription_count, which this app never has while its subscriptionCount is false; set that to true, or take " +
      "the event out of the list",
  ],
  [{ channelPrefix: "" }, ".channelPrefix", "is empty; give a text that is not empty, or null"],
  [{ channelSuffix: [] }, ".channelSuffix", "is a list; give a text that is not empty, or null"],
  [
    { headers: [] },
    ".headers",
    "is a list; give a mapping of names to texts, {env: NAME} or {file: PATH}",
  ],
  [
    { headers: null },
    ".headers",
    "is null; give a mapping of names to texts, {env: NAME} or {file: PATH}",
  ],
  ...["", "a b", "a:b", "a\n", "ü", "(a)", "a,b"].map(
    (name) => [{ headers: { [name]: "v" } }, ".headers", BAD_NAME] as const,
  ),
  ...[
    "X-Pusher-Key",
    "x-pusher-anything",
    "webhook-id",
    "ringmaster-x",
    "proxy-authorization",
    "Content-Type",
    "content-length",
    "HOST",
    "connection",
    "transfer-encoding",
    "expect",
    "te",
    "upgrade",
    "trailer",
    "keep-alive",
  ].map((name) => [{ headers: { [name]: "v" } }, ".headers", RESERVED] as const),
  [
    { headers: { "x-a": "b", "X-A": "c" } },
    ".headers",
    "has a header twice, for upper and lower case are the same; leave one out",
  ],
  ...["a\nb", "a\r", "a\0b", "\u0007", "a\u007f", "a\u0085b", "€", " a", "a ", "a\tb", " "].map(
    (value) =>
      [
        { headers: { "x-a": value } },
        ".headers",
        `has a value that has not the right form; ${VALUE_RIGHT}`,
      ] as const,
  ),
  [{ headers: { "x-a": "" } }, ".headers", `has a value that is empty; ${VALUE_RIGHT}`],
  [{ headers: { "x-a": null } }, ".headers", `has a value that is null; ${VALUE_RIGHT}`],
  [{ headers: { "x-a": ["b"] } }, ".headers", `has a value that is a list; ${VALUE_RIGHT}`],
  [
    { headers: { "x-a": { env: "A", file: "b" } } },
    ".headers",
    `has a value that is a mapping of another form; ${VALUE_RIGHT}`,
  ],
  [
    { headers: { "x-a": "(redacted)" } },
    ".headers",
    `has a value that is not a secret but what stands in place of one; ${VALUE_RIGHT}`,
  ],
  [
    { headers: { "x-a": { env: "GONE" } } },
    ".headers",
    "has a value that names a variable that is not set; set it, or correct the name",
  ],
  [
    { headers: { "x-a": { env: "TWO_LINES" } } },
    ".headers",
    `has a value that has not the right form; ${VALUE_RIGHT}`,
  ],
  [
    { headers: { "x-a": { file: "gone" } } },
    ".headers",
    "has a value that names a file that cannot be read (there is no such file); correct the path or its permissions",
  ],
  [
    { timeoutMs: 99 },
    ".timeoutMs",
    "is below 100; give a whole number of milliseconds from 100 to 30000",
  ],
  [
    { timeoutMs: 30_001 },
    ".timeoutMs",
    "is above 30000; give a whole number of milliseconds from 100 to 30000",
  ],
  [
    { retryWindowMs: 259_200_001 },
    ".retryWindowMs",
    "is above 259200000; give a whole number of milliseconds from 0 to 259200000",
  ],
  [
    { retryWindowMs: null },
    ".retryWindowMs",
    "is null; give a whole number of milliseconds from 0 to 259200000",
  ],
];

describe("a wrong webhook", () => {
  const problemsOf = async (webhooks: unknown, app: Json = {}) => {
    const entry = { id: "1", keys: [{ key: "k", secret: "s" }], webhooks, ...app };
    await workspace.write("wrong.json", JSON.stringify({ apps: [entry] }));
    const problems = await workspace.problems({
      file: "wrong.json",
      env: { TWO_LINES: "two\nlines" },
    });
    return problems.map((line) => line.replace(/ \(wrong\.json:1:[0-9]+\)$/, ""));
  };

  test.each(WRONG)("%j", async (webhook, field, sentence) => {
    const wrong =
      typeof webhook === "object" && webhook !== null && Object.keys(webhook).length > 0
        ? { url: "https://a.example", ...webhook }
        : webhook;
    expect(await problemsOf([{ url: "https://b.example" }, wrong])).toEqual([
      `apps[0].webhooks[1]${field}: ${sentence}`,
    ]);
  });

  test.each([
    [{ url: "https://a.example" }, "is a mapping"],
    ["https://a.example", "is a text"],
    [null, "is null"],
  ] as const)("%j in the place of the list", async (webhooks, what) => {
    expect(await problemsOf(webhooks)).toEqual([
      `apps[0].webhooks: ${what}; give a list of webhooks, each with a url, or leave it out`,
    ]);
  });

  test("has a field that is no setting named, with a suggestion", async () => {
    const url = "https://a.example";
    expect(await problemsOf([{ url, event: [], retryWindow: 1 }])).toEqual([
      "apps[0].webhooks[0].event: is no setting; did you mean events?",
      expect.stringMatching(/^apps\[0\]\.webhooks\[0\].*is no setting/),
    ]);
    expect(await problemsOf([], { batchWebhook: true })).toEqual([
      "apps[0].batchWebhook: is no setting; did you mean batchWebhooks?",
    ]);
  });

  test("of the same id as another one of its app is refused, one of another app is not", async () => {
    const webhook = { url: "https://a.example", id: "same" };
    expect(await problemsOf([webhook, webhook])).toEqual([
      "apps[0].webhooks[1].id: is the same as apps[0].webhooks[0].id; give each webhook of an app an id of its own",
    ]);
    const app = (id: string) => ({
      id,
      keys: [{ key: id, secret: "s" }],
      webhooks: [webhook],
    });
    await workspace.write("two.json", JSON.stringify({ apps: [app("1"), app("2")] }));
    await workspace.load({ file: "two.json" });
  });

  test("is told whole: everything that is wrong with it, each at its place", async () => {
    const found = await workspace.problemsOfYaml(`${ONE_APP}    webhooks:
      - url: nowhere
        timeoutMs: soon
        headers:
          x-a: { env: GONE }
          host: a
`);
    expect(found.map((line) => /\(ringmaster\.yaml:([0-9:]+)\)$/.exec(line)?.[1])).toEqual([
      "8:11",
      "9:11",
      "5:9",
      "6:9",
    ]);
  });

  test("is silent about events that the app never has, where all are meant", async () => {
    const { webhooks } = await appWith([
      { url: EVERYTHING.url },
      { url: EVERYTHING.url, events: [...WEBHOOK_EVENT_NAMES] },
    ]);
    expect(webhooks.map(({ events }) => events.length)).toEqual([7, 7]);
    await appWith([{ url: EVERYTHING.url, events: ["client_event", "subscription_count"] }], {
      clientEvents: true,
      subscriptionCount: true,
    });
  });
});

describe("the webhook of the default app", () => {
  const env = { RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "s" };

  test("is the URL of a variable, and is told of everything", async () => {
    const { apps, sources } = await workspace.load({
      env: { ...env, RINGMASTER_APP_WEBHOOK_URL: EVERYTHING.url },
    });
    expect(apps[0]).toMatchObject({ webhooks: [EVERYTHING], batchWebhooks: true });
    expect(apps[0]?.webhooks[0]?.id).toMatch(/^wh_[0-9a-f]{10}$/);
    expect(sources.get("apps[0].webhooks[0].url")).toEqual({
      kind: "env",
      at: "RINGMASTER_APP_WEBHOOK_URL",
    });
  });

  test("is there too when the credentials are from the file that the first start made", async () => {
    const inputs = { env: { RINGMASTER_APP_WEBHOOK_URL: EVERYTHING.url } };
    await workspace.load(inputs);
    const { apps } = await workspace.load(inputs);
    expect(apps[0]?.webhooks.map(({ url }) => url)).toEqual([EVERYTHING.url]);
  });

  test.each([
    ["", `is empty; ${URL_RIGHT}`],
    ["a.example", NOT_ABSOLUTE],
    [
      "https://u:p@a.example",
      "has a user name or a password in it, which logs would show (that goes into headers, as authorization); " +
        URL_RIGHT,
    ],
  ])("is refused where it is %j", async (url, sentence) => {
    expect(await workspace.problems({ env: { ...env, RINGMASTER_APP_WEBHOOK_URL: url } })).toEqual([
      `RINGMASTER_APP_WEBHOOK_URL: ${sentence}`,
    ]);
  });
});

test("a URL that is taken is an absolute one without credentials and fragment, for fetch too", () => {
  const anything = fc.oneof(
    fc.webUrl({ withQueryParameters: true }),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.string({ unit: fc.constantFrom(..."htps:/@#?.a1 \\\t[]") }).map((rest) => `http${rest}`),
    fc.string({ unit: fc.constantFrom(..."@#/?:a.1\\[]%") }).map((rest) => `https://${rest}`),
  );
  let taken = 0;
  fc.assert(
    fc.property(anything, (text) => {
      if (webhookUrlFault(text) !== undefined) return;
      taken++;
      const url = new URL(text);
      expect(["http:", "https:"]).toContain(url.protocol);
      expect([url.username, url.password, url.hash]).toEqual(["", "", ""]);
      expect(url.host).not.toBe("");
      expect(text).toMatch(/^https?:\/\//i);
      expect(new Request(text).url).toBe(url.href);
    }),
    { numRuns: 3_000 },
  );
  expect(taken).toBeGreaterThan(300);
});

test("a header that is taken is one for fetch too, and none of ours", () => {
  let taken = 0;
  const name = fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 6 }),
    fc.stringMatching(/^[a-z-]{1,12}$/),
    fc.constantFrom("x-pusher-key", "WEBHOOK-ID", "Ringmaster-x", "Content-Type", "TE", "proxy-x"),
  );
  fc.assert(
    fc.property(name, (text) => {
      if (headerNameFault(text) !== undefined) return;
      taken++;
      expect(new Headers([[text, "v"]]).get(text)).toBe("v");
      expect(text).not.toMatch(/^(x-pusher|webhook|ringmaster|proxy)-|^(host|te|content-type)$/i);
    }),
    { numRuns: 2_000 },
  );
  expect(taken).toBeGreaterThan(300);
});
