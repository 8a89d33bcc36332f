import type { Bench } from "./bench.ts";
import type { Section } from "./section.ts";

/** One kind of work that the contestants are compared at. */
export interface Workload {
  readonly name: string;
  run(bench: Bench): Promise<Section[]>;
}
