import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { WebhookReply } from "../../src/sender/transport.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeJobQueue, failure, status, type Receiver } from "../support/sender-doubles.ts";
import { SenderRing, TEST_SENDER_SETTINGS, urlOf } from "../support/sender-ring.ts";

const MINUTE_MS = 60_000;

/** Small and quick, so that whole lives of jobs can be seen: what chance decides is the run's seed. */
function chanceFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const REPLIES: readonly (WebhookReply | undefined)[] = [
  status(200),
  status(204),
  status(500),
  status(302),
  status(429, "7"),
  status(503, "nonsense"),
  failure("refused"),
  failure("connection"),
  failure("tls"),
  failure("dns"),
  failure("egress"),
  undefined,
];

/** Answers by chance: mostly well, or hardly ever, as `badness` says. */
function fickle(chance: () => number, badness: number): Receiver {
  return () => {
    const reply = chance() < badness ? REPLIES[Math.floor(chance() * REPLIES.length)] : status(200);
    return reply === undefined ? undefined : { reply, afterMs: Math.floor(chance() * 300) };
  };
}

interface World {
  readonly clock: FakeClock;
  readonly queue: FakeJobQueue;
  readonly rings: SenderRing[];
  readonly chance: () => number;
}

interface Limits {
  readonly slots: number;
  readonly endpointConcurrency: number;
}

/** What must hold of every process at every moment. */
function checkLimits({ transport, sender }: SenderRing, limits: Limits): void {
  const { open } = transport;
  expect(open.length).toBeLessThanOrEqual(limits.slots);
  expect(new Set(open.map(({ body }) => body)).size).toBe(open.length);
  const byUrl = new Map<string, number>();
  for (const { url } of open) byUrl.set(url, (byUrl.get(url) ?? 0) + 1);
  for (const count of byUrl.values()) expect(count).toBeLessThanOrEqual(limits.endpointConcurrency);
  for (const { inFlight } of sender.figures().apps)
    expect(inFlight).toBeLessThanOrEqual(Math.ceil(limits.slots / 2));
}

const limits = fc.record({
  slots: fc.integer({ min: 1, max: 30 }),
  endpointConcurrency: fc.integer({ min: 1, max: 8 }),
});

const trouble = fc.constantFrom("outage", "no-settlement", "jump", "pause", "gone", "restart");

describe("senders that share a queue", () => {
  test("bring every job to its end, never send one twice at once, and keep to their limits, whatever happens", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        limits,
        fc.array(fc.record({ what: trouble, afterMs: fc.nat(20_000) }), {
          maxLength: 6,
          size: "max",
        }),
        fc.integer({ min: 1, max: 2 }),
        async (seed, bounds, troubles, processes) => {
          const clock = new FakeClock();
          const chance = chanceFrom(seed);
          const queue = new FakeJobQueue(clock);
          const endpoints = ["1/a", "1/b", "1/c", "2/a", "2/b", "3/a", "4/a"];
          const receivers = endpoints.map(() => fickle(chance, chance()));
          const settings = { ...TEST_SENDER_SETTINGS, ...bounds, maxJobAgeMs: 10 * MINUTE_MS };
          const join = (): SenderRing => {
            const ring = new SenderRing({ clock, queue, settings, random: chance });
            for (const [i, id] of endpoints.entries()) ring.transport.at(urlOf(id), receivers[i]!);
            return ring;
          };
          const world: World = {
            clock,
            queue,
            chance,
            rings: Array.from({ length: processes }, join),
          };
          const jobs = Array.from({ length: 80 }, (_, i) => {
            const retryWindowMs = [0, 3_000, 20_000, 60_000][Math.floor(chance() * 4)]!;
            const id = endpoints[Math.floor(chance() ** 2 * endpoints.length)]!;
            return world.rings[0]!.job(id, {
              id: `job${i}`,
              body: `job${i}`,
              timeoutMs: 2_000,
              retryWindowMs,
            });
          });
          for (const job of jobs) {
            queue.add(job);
            await runAll(world, Math.floor(chance() * 100), bounds);
          }
          for (const { what, afterMs } of troubles) {
            await runAll(world, afterMs, bounds);
            await makeTrouble(world, what, bounds, join);
          }
          for (let minutes = 0; queue.size > 0; minutes++) {
            // By then all that can happen to a job has happened to it, twice over.
            expect(minutes).toBeLessThan(60);
            for (const id of queue.paused.keys()) queue.resume(id);
            await runAll(world, MINUTE_MS, bounds);
          }
          const ended = [...queue.delivered, ...queue.dead.map(({ job }) => job.id)];
          expect(ended.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
          for (const { job, spentMs, attempts, reason } of queue.dead) {
            if (reason.startsWith("the endpoint has been down")) continue;
            if (reason.startsWith("could not be sent")) continue;
            expect(spentMs).toBeGreaterThanOrEqual(job.retryWindowMs);
            expect(spentMs).toBeLessThanOrEqual(job.retryWindowMs + 2_000 + 60_000);
            expect(attempts).toBeGreaterThanOrEqual(1);
          }
          for (const { sender } of world.rings) {
            // It may have a job under way that was delivered by another, for its lease was lost in an outage.
            const drained = sender.drain();
            await runAll(world, 2 * TEST_SENDER_SETTINGS.stopTimeoutMs + 1_000, bounds);
            await drained;
            expect(sender.figures().inFlight).toBe(0);
            await sender.close();
          }
        },
      ),
      { numRuns: 40 },
    );
  }, 120_000);

  test("serve a healthy endpoint at once although 20 others are dead, in whatever way", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.array(fc.nat(REPLIES.length - 1), { minLength: 20, maxLength: 20 }),
        fc.integer({ min: 45, max: 100 }),
        async (seed, ways, slots) => {
          const chance = chanceFrom(seed);
          const ring = new SenderRing({
            settings: { slots, endpointConcurrency: 8 },
            random: chance,
          });
          ring.transport.at(urlOf("healthy/w"), () => ({ reply: status(200), afterMs: 50 }));
          for (const [i, way] of ways.entries()) {
            // The first two are answers that are fine: such an endpoint hangs instead.
            const reply = way < 2 ? undefined : REPLIES[way];
            ring.transport.at(urlOf(`${i}/w`), () =>
              reply === undefined ? undefined : { reply, afterMs: Math.floor(chance() * 4_000) },
            );
            ring.addMany(15, `${i}/w`, { timeoutMs: 10_000 });
          }
          for (let i = 0; i < 200; i++) {
            const job = ring.add("healthy/w");
            await ring.run(100 + 50 * Math.floor(chance() * 4));
            expect(ring.queue.held(job.id)).toBeUndefined();
            expect(ring.transport.open.length).toBeLessThan(slots);
          }
        },
      ),
      { numRuns: 15 },
    );
  }, 120_000);
});

async function runAll(world: World, ms: number, bounds: Limits): Promise<void> {
  // One clock is for all of them.
  for (let left = ms; left > 0; left -= 250) {
    await world.rings[0]!.run(Math.min(left, 250));
    for (const ring of world.rings) checkLimits(ring, bounds);
  }
}

async function makeTrouble(
  world: World,
  what: string,
  bounds: Limits,
  join: () => SenderRing,
): Promise<void> {
  const { clock, chance, queue, rings } = world;
  const place = Math.floor(chance() * rings.length);
  const ring = rings[place]!;
  switch (what) {
    case "outage":
      ring.troubled.failAll();
      await runAll(world, Math.floor(chance() * 30_000), bounds);
      return ring.troubled.mend();
    case "no-settlement":
      ring.troubled.fail("settle");
      await runAll(world, Math.floor(chance() * 15_000), bounds);
      return ring.troubled.mend();
    case "jump":
      return clock.jumpWall(Math.floor((chance() - 0.3) * 40_000));
    case "pause":
      return clock.pause(Math.floor(chance() * 30_000));
    case "gone":
      return queue.pause("1/a", "410 Gone");
    default:
      // Half of them are killed; the others have the time that they need.
      if (chance() < 0.5) {
        const drained = ring.sender.drain();
        await runAll(world, 15_000, bounds);
        await drained;
        expect(ring.transport.open).toEqual([]);
      }
      await ring.sender.close();
      rings[place] = join();
  }
}
