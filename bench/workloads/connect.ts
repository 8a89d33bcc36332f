import type { Bench } from "../bench.ts";
import { Session } from "../session.ts";
import type { Workload } from "../workload.ts";
import { COUNTING_RINGMASTER, RINGMASTER } from "../contestants/ringmaster.ts";
import { ratioGoal } from "../goal.ts";
import type { Measurement } from "../load.ts";
import { type Outcome, takeTurns, valuesOf } from "../rounds.ts";
import { measurementRows } from "../rows.ts";
import type { Section } from "../section.ts";

const SOCKETS = 10_000;
const CHANNELS = 1_000;
const SOKETI_RATIO = 1;

interface Round {
  readonly opening: Measurement;
  readonly closing: Measurement;
}

/** 10,000 sockets open and subscribe, 64 at a time, ten to a channel; then all of them close. */
export const CONNECT: Workload = {
  name: "connect",
  async run(bench: Bench): Promise<Section[]> {
    const outcomes = await takeTurns(bench, {
      contestants: bench.contestants.flatMap((contestant) =>
        contestant === RINGMASTER ? [RINGMASTER, COUNTING_RINGMASTER] : [contestant],
      ),
      rounds: bench.quick ? 2 : 5,
      open: (contestant) => Session.open(contestant, bench.block),
      async prepare(session) {
        await session.connect(SOCKETS, CHANNELS);
        await session.load.close();
      },
      async measure(session) {
        const opening = await session.connect(SOCKETS, CHANNELS);
        return { opening, closing: await session.load.close() };
      },
    });
    const opening = only(outcomes, (round) => round.opening);
    const closing = only(outcomes, (round) => round.closing);
    return [
      {
        title: `connect: ${SOCKETS} sockets connect and subscribe, ${CHANNELS} channels; CPU per socket`,
        rows: measurementRows(opening, { ...ROWS, value: socketCpuUs }),
        goals: [
          ratioGoal(
            "ringmaster / soketi",
            SOKETI_RATIO,
            valuesOf(opening, "ringmaster", socketCpuUs),
            valuesOf(opening, "soketi", socketCpuUs),
          ),
        ],
      },
      {
        title: `connect: and close again; CPU per socket`,
        rows: measurementRows(closing, { ...ROWS, value: socketCpuUs }).map((row) => ({
          ...row,
          p50Us: null,
          p99Us: null,
        })),
        goals: [],
      },
    ];
  },
};

const ROWS = { unit: "us/socket", operations: () => SOCKETS, noun: "sockets" };

function socketCpuUs(round: Measurement): number {
  return round.serverCpuNs / 1_000 / SOCKETS;
}

function only(
  outcomes: readonly Outcome<Round>[],
  part: (round: Round) => Measurement,
): Outcome<Measurement>[] {
  return outcomes.map((outcome) => ({ ...outcome, rounds: outcome.rounds.map(part) }));
}
