import assert from "node:assert/strict";
import { after, test } from "node:test";
import { pause } from "../e2e/support/wait.ts";
import { Chance, CRASH_SEED } from "./support/chance.ts";
import { World } from "./support/world.ts";

const PROCESSES = ["channels,packager", "sender", "sender"];
const KILLS_EACH = 7;
const MIN_LIFE_MS = 50;
const MAX_LIFE_MS = 3_500;
const MAX_GAP_MS = 1_500;

console.log(`CRASH_SEED=${CRASH_SEED}`);
const world = await World.open();
after(() => world.close());

test(`Three processes with one database, each killed ${KILLS_EACH} times at any instant, tell every webhook exactly what is true (CRASH_SEED=${CRASH_SEED})`, async (t) => {
  const lives = PROCESSES.map(async (roles, number) => {
    const chance = new Chance(`killer ${number}`);
    for (let kills = 0; kills < KILLS_EACH; kills++) {
      const server = await world.start(roles);
      await pause(chance.between(MIN_LIFE_MS, MAX_LIFE_MS));
      await server.kill();
      await pause(chance.below(MAX_GAP_MS));
    }
    return world.start(roles);
  });
  const [first] = await Promise.all(lives);
  assert.ok(first !== undefined);
  const { events, webhooks, deliveries } = await world.verify(first);
  t.diagnostic(
    `${KILLS_EACH * PROCESSES.length} kills; ${events} events in ${webhooks} webhooks, ` +
      `${deliveries} deliveries, ${deliveries - webhooks} of them repeated an id`,
  );
  assert.deepEqual(world.errors(), []);
  assert.ok(events > 300, "too little happened to say anything");
});
