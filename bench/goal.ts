import { figureOf, ratioOf } from "./figure.ts";
import type { Goal } from "./section.ts";

/** Ours is to be at most so many times another contestant's. */
export function ratioGoal(
  text: string,
  atMost: number,
  ours: readonly number[] | null,
  theirs: readonly number[] | null,
): Goal {
  const figure = ours === null || theirs === null ? null : ratioOf(ours, theirs);
  return { text, atMost, figure, unit: "x" };
}

/** Ours is to be at most so much. */
export function valueGoal(
  text: string,
  atMost: number,
  unit: string,
  ours: readonly number[] | null,
): Goal {
  return { text, atMost, figure: ours === null ? null : figureOf(ours), unit: ` ${unit}` };
}
