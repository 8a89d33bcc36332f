import type { Bench } from "../bench.ts";
import { Session } from "../session.ts";
import type { Workload } from "../workload.ts";
import { ratioGoal } from "../goal.ts";
import type { Measurement } from "../load.ts";
import { takeTurns, valuesOf } from "../rounds.ts";
import { measurementRows } from "../rows.ts";
import type { Section } from "../section.ts";
import { publishToNobody } from "../warm-up.ts";

const SOKETI_RATIO = 0.3;

/** Signed publishes to a channel that nobody listens to. */
export const PUBLISH: Workload = {
  name: "publish",
  async run(bench: Bench): Promise<Section[]> {
    const publishes = bench.quick ? 5_000 : 15_000;
    const outcomes = await takeTurns(bench, {
      contestants: bench.contestants,
      rounds: bench.quick ? 3 : 9,
      open: (contestant) => Session.open(contestant, bench.block),
      async prepare(session) {
        await publishToNobody(session, 20_000);
      },
      measure: (session) => publishToNobody(session, publishes),
    });
    const ours = valuesOf(outcomes, "ringmaster", publishCpuUs);
    return [
      {
        title:
          "publish: signed, to a channel that nobody listens to, 32 connections, one request at a time on each; CPU per publish",
        rows: measurementRows(outcomes, {
          value: publishCpuUs,
          unit: "us/publish",
          operations: (round) => round.requests,
          noun: "publishes",
        }),
        goals: [
          ratioGoal(
            "ringmaster / soketi",
            SOKETI_RATIO,
            ours,
            valuesOf(outcomes, "soketi", publishCpuUs),
          ),
        ],
      },
    ];
  },
};

function publishCpuUs(round: Measurement): number {
  return round.serverCpuNs / 1_000 / round.requests;
}
