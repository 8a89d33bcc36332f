import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { Session } from "../session.ts";
import type { Workload } from "../workload.ts";
import type { Contestant } from "../contestant.ts";
import { figureOf } from "../figure.ts";
import { valueGoal } from "../goal.ts";
import { type Memory, memoryOf } from "../memory.ts";
import { type Outcome, valuesOf } from "../rounds.ts";
import { failedRow } from "../rows.ts";
import type { Row, Section } from "../section.ts";

const SOCKETS = 10_000;
const CHANNELS = 1_000;
const GOAL_BYTES = 5_000;
const EMPTY_SETTLE_MS = 3_000;

interface PerSocket {
  readonly rssBytes: number;
  readonly anonymousBytes: number;
  readonly emptyRssBytes: number;
}

/** 10,000 subscribed sockets that do nothing: resident memory each, above the same process before the first of them. */
export const IDLE: Workload = {
  name: "idle",
  async run(bench: Bench): Promise<Section[]> {
    const outcomes = bench.contestants.map((contestant): Outcome<PerSocket> => ({
      contestant: contestant.name,
      rounds: [],
      failure: null,
    }));
    const rounds = bench.quick ? 1 : 3;
    for (let round = 0; round < rounds; round++) {
      bench.progress(
        `round ${round + 1} of ${rounds}: open ${SOCKETS} sockets on each and let them rest`,
      );
      // Nothing of time is measured here, so the contestants rest side by side.
      await Promise.all(
        bench.contestants.map(async (contestant, index) => {
          const outcome = outcomes[index];
          if (outcome === undefined || outcome.failure !== null) return;
          try {
            outcome.rounds.push(await measure(contestant, bench));
          } catch (error) {
            outcome.failure = error instanceof Error ? error.message : String(error);
          }
        }),
      );
    }
    const rssBytes = valuesOf(outcomes, "ringmaster", (round) => round.rssBytes);
    return [
      {
        title: `idle: ${SOCKETS} subscribed sockets on ${CHANNELS} channels; resident memory each, above the empty process`,
        rows: outcomes.map(row),
        goals: [valueGoal("ringmaster", GOAL_BYTES, "B", rssBytes)],
      },
    ];
  },
};

async function measure(contestant: Contestant, bench: Bench): Promise<PerSocket> {
  const session = await Session.open(contestant, true);
  try {
    const { pid } = session.server.child;
    await sleep(EMPTY_SETTLE_MS);
    const empty = await memoryOf(pid);
    await session.connect(SOCKETS, CHANNELS);
    const full = await settled(pid, bench.quick ? 5_000 : 20_000);
    return {
      rssBytes: (full.rssBytes - empty.rssBytes) / SOCKETS,
      anonymousBytes: (full.anonymousBytes - empty.anonymousBytes) / SOCKETS,
      emptyRssBytes: empty.rssBytes,
    };
  } catch (error) {
    throw new Error(session.describe(error), { cause: error });
  } finally {
    await session.close();
  }
}

/** After a rest that is long enough for a garbage collector's idle work, and short of any ping. */
async function settled(pid: number, restMs: number): Promise<Memory> {
  await sleep(restMs);
  return memoryOf(pid);
}

function row(outcome: Outcome<PerSocket>): Row {
  const { contestant, rounds, failure } = outcome;
  if (failure !== null) return failedRow(contestant, failure);
  const anonymous = figureOf(rounds.map((round) => round.anonymousBytes)).median;
  const emptyMb = figureOf(rounds.map((round) => round.emptyRssBytes / 1e6)).median;
  return {
    contestant,
    failure: null,
    figure: figureOf(rounds.map((round) => round.rssBytes)),
    unit: "B/socket",
    p50Us: null,
    p99Us: null,
    basis: `${SOCKETS.toLocaleString("en")} sockets in ${rounds.length} fresh processes; heap and stacks alone ${anonymous.toFixed(0)} B; empty process ${emptyMb.toFixed(0)} MB`,
  };
}
