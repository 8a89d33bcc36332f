import { FAULTS, LOSSES } from "./faults.ts";
import { LIFE } from "./happenings.ts";
import type { World } from "./world.ts";

export interface Fate {
  readonly hasFaults: boolean;
  readonly losesData: boolean;
}

/** One thing happens, and then some time passes. */
export function step(world: World, { hasFaults, losesData }: Fate): void {
  const choices = [...LIFE, ...(hasFaults ? FAULTS : []), ...(losesData ? LOSSES : [])];
  const { random } = world;
  const what = random.weighted(choices)(world);
  if (what !== undefined) world.note(what);
  world.pass(random.chance(0.7) ? random.between(0, 5) : random.between(0, 600));
}
