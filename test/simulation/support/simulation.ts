import type { Script } from "../../../src/stores/redis/script.ts";
import { heal } from "./world/healing.ts";
import { step } from "./world/step.ts";
import { World } from "./world/world.ts";

const LEAST_STEPS = 20;
const MOST_STEPS = 90;

export interface SimulationOptions {
  readonly seed: number;
  /** Notes also what the store does. */
  readonly isVerbose?: boolean;
  /** Puts another script in the place of one: to see whether that is found out. */
  sabotage?(script: Script): Script;
}

export interface SimulationOutcome {
  /** Undefined where all was well. */
  readonly failure: string | undefined;
  /** What happened last; all of it, with what the store did, of one that is verbose. */
  readonly story: string;
  readonly simulatedMs: number;
  /** Webhooks that customers got. */
  readonly deliveries: number;
}

/**
 * One life of a cluster, which the seed decides: the same seed, the same life.
 *
 * Every third has packagers and senders; every fourth loses data of the store; every tenth has no faults at all.
 */
export function simulate({
  seed,
  isVerbose = false,
  sabotage = (script) => script,
}: SimulationOptions): SimulationOutcome {
  const hasWebhooks = seed % 3 === 0;
  const losesData = seed % 4 === 1;
  const hasFaults = seed % 10 !== 7;
  const world = new World({ seed, hasWebhooks, isVerbose, sabotage });
  const { random } = world;
  for (let i = 1 + random.below(3); i > 0; i--) world.startNode();
  if (hasWebhooks) {
    for (let i = 0; i < 2; i++) world.startPackager();
    for (let i = 1 + random.below(2); i > 0; i--) world.startSender();
  }
  if (losesData) for (const customer of world.customers.values()) customer.isTolerant = true;
  world.pass(random.between(0, 200));
  const steps = LEAST_STEPS + random.below(MOST_STEPS - LEAST_STEPS);
  for (let i = 0; i < steps && world.failure === undefined; i++) {
    step(world, { hasFaults, losesData });
    world.auditor.leases.checkCounts(world.keys.jobs(""), world.redis.server.db);
  }
  if (world.failure === undefined) heal(world, losesData);
  return {
    failure: world.failure,
    story: world.story,
    simulatedMs: world.time.nowMs,
    deliveries: [...world.customers.values()].reduce((sum, { deliveries }) => sum + deliveries, 0),
  };
}
