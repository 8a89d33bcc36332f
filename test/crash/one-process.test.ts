import assert from "node:assert/strict";
import { after, test } from "node:test";
import { pause } from "../e2e/support/wait.ts";
import { Chance, CRASH_SEED } from "./support/chance.ts";
import { World } from "./support/world.ts";

const KILLS = 50;
const MIN_LIFE_MS = 50;
const MAX_LIFE_MS = 2_500;
/** While it starts, and takes leave for the process before it. */
const MAX_STILLBORN_MS = 800;
/** Beyond the three seconds that a leaving waits. */
const MAX_GAP_MS = 3_500;

console.log(`CRASH_SEED=${CRASH_SEED}`);
const world = await World.open();
after(() => world.close());

test(`Killed ${KILLS} times at any instant, a server tells every webhook exactly what is true (CRASH_SEED=${CRASH_SEED})`, async (t) => {
  const chance = new Chance("killer");
  let kills = 0;
  let stillborn = 0;
  for (; kills < KILLS; kills++) {
    if (chance.oneIn(5)) {
      const server = world.launch();
      await pause(chance.below(MAX_STILLBORN_MS));
      await server.kill();
      stillborn++;
    }
    const server = await world.start();
    // Short lives are the more dangerous ones.
    await pause(MIN_LIFE_MS + chance.next() ** 2 * (MAX_LIFE_MS - MIN_LIFE_MS));
    await server.kill();
    if (chance.oneIn(5)) await pause(chance.below(MAX_GAP_MS));
  }
  const last = await world.start();
  const { events, webhooks, deliveries } = await world.verify(last);
  t.diagnostic(
    `${kills} kills and ${stillborn} during the start; ${events} events in ${webhooks} webhooks, ` +
      `${deliveries} deliveries, ${deliveries - webhooks} of them repeated an id`,
  );
  assert.deepEqual(world.errors(), []);
  assert.ok(events > 1_000, "too little happened to say anything");
});
