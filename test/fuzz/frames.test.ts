import { expect, test } from "bun:test";
import fc from "fast-check";
import { TroubledCache, TroubledRoster, type Gate } from "../support/doubles.ts";
import { settled } from "../support/ring.ts";
import { mutate, mutations, type Mutation } from "./mutations.ts";
import {
  AUTH_KINDS,
  CHANNELS,
  MARKS,
  SOCKETS_PER_APP,
  USERS,
  World,
  authOf,
  type AuthKind,
} from "./world.ts";

const FRAMES = 50_000;
/** A run has any number of steps, so that a failing one shrinks to those that matter. */
const RUNS = 660;
const MOST_PER_RUN = 200;

type Message =
  | {
      readonly kind: "subscribe";
      readonly channel: string;
      readonly auth: AuthKind;
      readonly user: string | number | undefined;
    }
  | { readonly kind: "unsubscribe"; readonly channel: string }
  | {
      readonly kind: "signin";
      readonly user: string;
      readonly auth: AuthKind;
      readonly watchlist: readonly string[];
    }
  | { readonly kind: "event"; readonly name: string; readonly channel: string }
  | { readonly kind: "raw"; readonly text: string };

interface Step {
  readonly place: number;
  readonly message: Message;
  readonly mutations: readonly Mutation[];
  /** What happens beside the frame. */
  readonly aside: "nothing" | "settle" | "replace" | "time" | "publish";
}

const channel = fc.constantFrom(...CHANNELS);
const user = fc.constantFrom(...USERS);
const auth: fc.Arbitrary<AuthKind> = fc.oneof(
  { weight: 4, arbitrary: fc.constant("right" as const) },
  fc.constantFrom(...AUTH_KINDS),
);
const message: fc.Arbitrary<Message> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("subscribe" as const),
      channel,
      auth,
      user: fc.oneof(user, fc.constant(undefined), fc.constantFrom(7, 1e21)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("unsubscribe" as const), channel }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("signin" as const),
      user,
      auth,
      watchlist: fc.array(user, { maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("event" as const),
      name: fc.constantFrom(
        "client-x",
        "client-",
        "x",
        "pusher:error",
        "pusher_internal:member_added",
        "pusher:ping",
      ),
      channel,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("raw" as const),
      text: fc.oneof(
        fc.string({ unit: "binary" }),
        fc.json(),
        fc.constantFrom("", "null", "[]", "[".repeat(30_000)),
      ),
    }),
  },
);
const step: fc.Arbitrary<Step> = fc.record({
  place: fc.nat(2 * SOCKETS_PER_APP - 1),
  message,
  mutations,
  aside: fc.oneof(
    { weight: 12, arbitrary: fc.constant("nothing" as const) },
    { weight: 4, arbitrary: fc.constant("settle" as const) },
    fc.constantFrom("replace" as const, "time" as const, "publish" as const),
  ),
});

function written(world: World, place: number, what: Message): string {
  const { client, app } = world.players[place]!;
  const mark = MARKS[app];
  switch (what.kind) {
    case "subscribe": {
      const isPresence = what.channel.startsWith("presence-");
      const data =
        isPresence && what.user !== undefined
          ? JSON.stringify({ user_id: what.user, user_info: { name: mark } })
          : undefined;
      const signed = data === undefined ? what.channel : `${what.channel}:${data}`;
      return JSON.stringify({
        event: "pusher:subscribe",
        data: {
          channel: what.channel,
          auth: authOf(what.auth, app, client.id, signed),
          channel_data: data,
        },
      });
    }
    case "unsubscribe":
      return JSON.stringify({ event: "pusher:unsubscribe", data: { channel: what.channel } });
    case "signin": {
      const data = JSON.stringify({ id: what.user, user_info: mark, watchlist: what.watchlist });
      const signature = authOf(what.auth, app, client.id, `:user::${data}`);
      return JSON.stringify({ event: "pusher:signin", data: { auth: signature, user_data: data } });
    }
    case "event":
      return JSON.stringify({ event: what.name, channel: what.channel, data: { said: mark } });
    case "raw":
      return what.text;
  }
}

test(`${FRAMES} frames, valid, mutated and random, of two apps: nothing breaks, nothing leaks, and all numbers are true`, async () => {
  let frames = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: MOST_PER_RUN, size: "max" }),
      async (steps) => {
        const world = await World.make();
        for (const { place, message: what, mutations: changes, aside } of steps) {
          world.players[place]!.client.sendRaw(mutate(written(world, place, what), changes));
          frames++;
          if (aside === "settle") await settled();
          if (aside === "replace") world.replace(place);
          if (aside === "time") world.ring.clock.advance(100);
          if (aside === "publish") {
            const { app } = world.players[place]!;
            const to = what.kind === "raw" || what.kind === "signin" ? "c" : what.channel;
            await world.ring.publish(
              to,
              "e",
              MARKS[app],
              {},
              { app: [...world.ring.apps.all()][app]! },
            );
          }
        }
        await world.check();
        for (const { client } of world.players) expect(client.closed).toBeUndefined();
        await world.end();
      },
    ),
    { numRuns: RUNS },
  );
  expect(frames).toBeGreaterThanOrEqual(FRAMES);
}, 120_000);

/** A step, and which of the answers that wait come back behind it. */
const lateStep = fc.record({ step, answers: fc.array(fc.nat(20), { maxLength: 3 }) });

test("frames while stores take their time and answer in any order: all numbers are true in the end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(lateStep, { minLength: 1, maxLength: MOST_PER_RUN, size: "max" }),
      async (steps) => {
        const gates: Gate[] = [];
        const world = await World.make({
          roster: (inner) => {
            const roster = new TroubledRoster(inner);
            for (const method of ["hold", "holdUser", "online"] as const)
              gates.push(roster.gate(method));
            return roster;
          },
          cache: (inner) => {
            const cache = new TroubledCache(inner);
            gates.push(cache.gate("get"));
            return cache;
          },
        });
        for (const gate of gates) gate.shut();
        for (const { step: one, answers } of steps) {
          const { place, message: what, mutations: changes, aside } = one;
          world.players[place]!.client.sendRaw(mutate(written(world, place, what), changes));
          if (aside === "replace") world.replace(place);
          for (const answer of answers) {
            await settled();
            const waiting = gates.filter((gate) => gate.waiting > 0);
            if (waiting.length === 0) break;
            const gate = waiting[answer % waiting.length]!;
            gate.letPass(answer % gate.waiting);
          }
        }
        for (const gate of gates) gate.open();
        await world.check();
        await world.end();
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);
