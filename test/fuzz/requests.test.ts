import { expect, test } from "bun:test";
import fc from "fast-check";
import { settled, type Answer } from "../support/ring.ts";
import { encodeQuery, signedQuery } from "../support/signing.ts";
import { mutate, mutations, type Mutation } from "./mutations.ts";
import { APPS, CHANNELS, KEYS, MARKS, USERS, World } from "./world.ts";

const REQUESTS = 50_000;
/** A run has any number of steps, so that a failing one shrinks to those that matter. */
const RUNS = 660;
const MOST_PER_RUN = 200;

/** Who signs: the app itself, the other app with its own key, the app's key with the other's secret, nobody. */
type Signer = "itself" | "other" | "crossed" | "nobody";

interface Step {
  readonly app: 0 | 1;
  readonly signer: Signer;
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly body: string;
  readonly isUtf8: boolean;
  readonly pathMutations: readonly Mutation[];
  readonly queryMutations: readonly Mutation[];
  readonly bodyMutations: readonly Mutation[];
  /** Whether the body is changed before it is signed, by the app, or after it, by somebody else. */
  readonly isBodySignedAsChanged: boolean;
}

const channel = fc.constantFrom(...CHANNELS);
const value = fc.oneof(
  fc.string(),
  fc.jsonValue(),
  channel,
  fc.constantFrom("1.1", "user_count,cache", 7, null),
);
const event = fc.record(
  {
    name: fc.oneof({ weight: 4, arbitrary: fc.constant("e") }, value),
    data: fc.oneof({ weight: 4, arbitrary: fc.constantFrom("MARK", "x".repeat(10_240)) }, value),
    channel: fc.oneof({ weight: 4, arbitrary: channel }, value),
    channels: fc.oneof({ weight: 4, arbitrary: fc.array(channel, { maxLength: 4 }) }, value),
    socket_id: fc.oneof(fc.constantFrom("SOCKET", "1.1", "x"), value),
    info: fc.oneof(fc.constantFrom("user_count", "subscription_count,cache", ""), value),
  },
  { requiredKeys: ["data"] },
);
const body = fc.oneof(
  event.map((one) => JSON.stringify(one)),
  fc.array(fc.oneof(event, value), { maxLength: 12 }).map((batch) => JSON.stringify({ batch })),
  fc.constantFrom("", "{}", "[]", "null", "[".repeat(2_000)),
  fc.string({ unit: "binary" }),
);
const name = fc.oneof(channel, fc.constantFrom(...USERS)).map(encodeURIComponent);
const endpoint: fc.Arbitrary<readonly [method: string, path: string]> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(["POST", "/events"] as const) },
  { weight: 2, arbitrary: fc.constant(["POST", "/batch_events"] as const) },
  { weight: 2, arbitrary: fc.constant(["GET", "/channels"] as const) },
  { weight: 2, arbitrary: name.map((of) => ["GET", `/channels/${of}`] as const) },
  name.map((of) => ["GET", `/channels/${of}/users`] as const),
  name.map((of) => ["GET", `/channels/${of}/stats`] as const),
  name.map((of) => ["POST", `/channels/${of}/events`] as const),
  name.map((of) => ["POST", `/users/${of}/terminate_connections`] as const),
  fc.tuple(fc.constantFrom("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"), fc.webPath()),
);
const parameter: fc.Arbitrary<readonly [string, string]> = fc.oneof(
  fc.constant(["name", "e"] as const),
  fc.tuple(
    fc.constantFrom(
      "info",
      "filter_by_prefix",
      "name",
      "data",
      "channel",
      "channels[]",
      "socket_id",
      "batch",
      "auth_key",
      "AUTH_VERSION",
      "__proto__",
    ),
    fc.oneof(
      channel,
      fc.constantFrom("user_count", "subscription_count,cache", "presence-", "MARK", "1.0"),
      fc.string(),
    ),
  ),
);
const step: fc.Arbitrary<Step> = fc
  .record({
    app: fc.constantFrom(0 as const, 1 as const),
    signer: fc.oneof(
      { weight: 6, arbitrary: fc.constant("itself" as const) },
      fc.constantFrom("other" as const, "crossed" as const, "nobody" as const),
    ),
    endpoint,
    query: fc.array(parameter, { maxLength: 3 }),
    body,
    isUtf8: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
    pathMutations: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, mutations),
    queryMutations: fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, mutations),
    bodyMutations: mutations,
    isBodySignedAsChanged: fc.boolean(),
  })
  .map(({ endpoint: [method, path], ...rest }) => ({ ...rest, method, path }));

const STATUSES = [200, 202, 400, 401, 404, 405, 413];
const SUBSCRIBED = [
  "c",
  "1",
  "-1",
  "__proto__",
  "private-c",
  "cache-c",
  "presence-c",
  "presence-__proto__",
];

async function populated(): Promise<World> {
  const world = await World.make();
  for (const [place, { client, app }] of world.players.entries()) {
    for (const one of SUBSCRIBED) {
      if (!one.startsWith("presence-")) client.subscribe(one);
      else client.enter(one, USERS[place % USERS.length]!, { name: MARKS[app] });
    }
    if (place < 6) client.signIn(USERS[place >> 1]!, { user_info: MARKS[app] });
  }
  await settled();
  return world;
}

async function ask(world: World, what: Step): Promise<Answer> {
  const { app, signer, method } = what;
  const other = app === 0 ? 1 : 0;
  const fill = (text: string) =>
    text.replaceAll("MARK", MARKS[app]).replaceAll("SOCKET", world.players[app]!.client.id);
  const clean = fill(what.body);
  const changed = mutate(clean, what.bodyMutations);
  const bytes = (text: string) => Buffer.from(text, what.isUtf8 ? "utf8" : "latin1");
  const sent = method === "GET" || method === "HEAD" ? new Uint8Array() : bytes(changed);
  const signedBody = what.isBodySignedAsChanged || sent.length === 0 ? sent : bytes(clean);

  const path = `/apps/${APPS[app].id}${what.path}`;
  const query = what.query.map(([key, given]): [string, string] => [key, fill(given)]);
  const key = {
    itself: KEYS[app],
    other: KEYS[other],
    crossed: { ...KEYS[app], secret: KEYS[other].secret },
    nobody: undefined,
  }[signer];
  const signed =
    key === undefined
      ? query
      : signedQuery(key, { method, path, query, body: signedBody }, world.ring.clock.now());
  const answer = await world.ring.callUnsigned(
    method,
    mutate(path, what.pathMutations),
    mutate(encodeQuery(signed), what.queryMutations),
    sent,
  );
  // The other app's mark may stand in an answer only if the asker put it there; nobody does.
  for (const secret of [MARKS[other], KEYS[0].secret, KEYS[1].secret]) {
    if (answer.text.includes(secret)) throw new Error(`${method} ${path} was told ${answer.text}`);
  }
  return answer;
}

test(`${REQUESTS} requests, valid, mutated and random, to two apps: no fault of ours, no leak, and all numbers are true`, async () => {
  let requests = 0;
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: MOST_PER_RUN, size: "max" }),
      async (steps) => {
        const world = await populated();
        for (const what of steps) {
          const answer = await ask(world, what);
          requests++;
          statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
          expect(STATUSES).toContain(answer.status);
          if (answer.status === 200) {
            expect(typeof JSON.parse(answer.text)).toBe("object");
          } else if (answer.status !== 202) {
            expect(answer.text).toEndWith("\n");
          }
          // The path names the app; only who knows one of its secrets gets further than that.
          const mayPass = what.signer === "itself" || what.pathMutations.length > 0;
          if (!mayPass) expect([401, 404, 405]).toContain(answer.status);
        }
        await settled();
        await replaceTerminated(world, steps);
        await world.check();
        await world.end();
      },
    ),
    { numRuns: RUNS },
  );
  expect(requests).toBeGreaterThanOrEqual(REQUESTS);
  // All this means something only as long as many requests are good.
  expect(statuses.get(200)).toBeGreaterThan(requests / 10);
  expect(statuses.get(202)).toBeGreaterThan(50);
}, 120_000);

/** A socket may have been terminated, but only one that was signed in, and only if its app asked for it. */
async function replaceTerminated(world: World, steps: readonly Step[]): Promise<void> {
  for (const [place, { client, app }] of world.players.entries()) {
    if (client.closed === undefined) continue;
    expect(client.closed.code).toBe(4009);
    const asked = steps.some(
      ({ signer, path, app: of, pathMutations }) =>
        signer === "itself" &&
        (pathMutations.length > 0 ||
          (of === app &&
            path ===
              `/users/${encodeURIComponent(client.session.user!.userId)}/terminate_connections`)),
    );
    expect(asked).toBe(true);
    world.replace(place);
  }
  await settled();
}
