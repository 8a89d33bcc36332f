import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { LoggedEvent, Settlement } from "../../src/packager/ports/event-log.ts";
import type { RedisConnection } from "../../src/stores/redis/connection.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import {
  clientEvent,
  EventLogRig,
  OWNER_TIMEOUT_MS,
  testJob,
  type Packager,
  onlyOwnership,
  outcome,
} from "./support/event-log-rig.ts";

let server: RedisServer;
let connection: RedisConnection;
beforeAll(async () => {
  server = await RedisServer.start();
  connection = await connect(redisSettings(server.port));
});
afterAll(async () => {
  await connection.close();
  await server.close();
});

describe("wherever calls are lost and packagers die", () => {
  const WEBHOOKS = ["w", "v"];
  const step = fc.record({
    /** What becomes of the calls of a settlement, one after the other. */
    troubles: fc.array(fc.constantFrom("call lost", "answer lost", undefined), { maxLength: 6 }),
    /** And of the jobs on their way to the queue. */
    adding: fc.array(fc.constantFrom("before", "after", undefined), { maxLength: 3 }),
    events: fc.integer({ min: 1, max: 6 }),
    isBig: fc.boolean(),
    /** Some of its events wait for another webhook. */
    isPartial: fc.boolean(),
    attempts: fc.integer({ min: 1, max: 4 }),
    end: fc.constantFrom("goes on", "goes on", "dies", "is released", "sleeps"),
  });

  test("each event is in one job for each webhook, and no job is lost", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 25 }),
        async (steps, count) => {
          const rig = new EventLogRig(connection, 1);
          await rig.record(...Array.from({ length: count }, (_, i) => clientEvent(i)));
          let packager = rig.packager();
          for (const one of steps) {
            const ownership = await onlyOwnership(packager);
            const read = await packager.log.read(ownership, 0, 1_000);
            if (read.length === 0) break;
            const settlement = settlementFor(read.slice(0, one.events), one);
            const troubles = [...one.troubles];
            const addings = [...one.adding];
            packager.trouble = () => troubles.shift();
            packager.adding = async (jobs) => {
              const fault = addings.shift();
              if (fault === "after") rig.queue.add(jobs);
              if (fault !== undefined) throw new Error(`The queue failed ${fault}.`);
            };
            for (let i = 0; i < one.attempts; i++)
              if ((await outcome(packager.log.settle(ownership, settlement))) === "resolved") break;
            packager.trouble = () => undefined;
            packager.adding = async () => {};
            if (one.end === "is released") await packager.log.release();
            if (one.end === "dies" || one.end === "is released") packager = rig.packager();
            if (one.end === "dies" || one.end === "sleeps") rig.clock.advance(OWNER_TIMEOUT_MS + 1);
            // Whoever does not know what came of a settlement makes no other one before it does.
            if (one.end === "goes on" || one.end === "sleeps")
              await packager.log.settle(ownership, settlement);
          }
          await settleTheRest(packager);
          const told = rig.queue.jobs.flatMap(({ body, webhookId }) =>
            body.split(" ").map((id) => `${id} ${webhookId}`),
          );
          expect(new Set(told).size).toBe(told.length);
          expect(told).toHaveLength(count * WEBHOOKS.length);
          expect(await rig.keysOf("outbox")).toEqual([]);
          expect(await rig.keysOf("handled")).toEqual([]);
          rig.close();
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  async function settleTheRest(packager: Packager): Promise<void> {
    const ownership = await onlyOwnership(packager);
    const rest = await packager.log.read(ownership, 0, 1_000);
    for (const event of rest)
      await packager.log.settle(
        ownership,
        settlementFor([event], { isPartial: false, isBig: false }),
      );
    await packager.log.own();
  }

  /** Like the packager's: a job for each webhook that they are not in yet, known by its events. */
  function settlementFor(
    events: readonly LoggedEvent[],
    { isPartial, isBig }: { readonly isPartial: boolean; readonly isBig: boolean },
  ): Settlement {
    const now = isPartial ? WEBHOOKS.slice(0, 1) : WEBHOOKS;
    const wait = isPartial ? WEBHOOKS.slice(1) : [];
    const jobs = now.flatMap((webhookId) => {
      const told = events.filter(({ handledFor }) => !handledFor.includes(webhookId));
      if (told.length === 0) return [];
      const ids = told.map(({ id }) => id).join(" ");
      const size = isBig ? 150_000 : 1;
      return [
        testJob(`${webhookId}/${ids}`, {
          webhookId,
          body: ids,
          headers: { "x-filling": "x".repeat(size) },
        }),
      ];
    });
    const isDone = ({ handledFor }: LoggedEvent): boolean =>
      wait.every((webhookId) => handledFor.includes(webhookId));
    return {
      jobs,
      settled: events.filter(isDone).map(({ id }) => id),
      handled: events
        .filter((event) => !isDone(event))
        .flatMap(({ id: eventId, handledFor }) =>
          now
            .filter((webhookId) => !handledFor.includes(webhookId))
            .map((webhookId) => ({ eventId, webhookId })),
        ),
    };
  }
});
