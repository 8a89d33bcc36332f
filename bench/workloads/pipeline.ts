import type { Bench } from "../bench.ts";
import { figureOf } from "../figure.ts";
import {
  type Pace,
  type PipelineOptions,
  PipelineSession,
  type Told,
} from "../pipeline-session.ts";
import { type Outcome, takeTurns } from "../rounds.ts";
import { failedRow } from "../rows.ts";
import type { Row, Section } from "../section.ts";
import { Sink } from "../sink.ts";
import type { Workload } from "../workload.ts";

const EVENTS_PER_SECOND = 300;
const EVENTS_AT_ONCE = 5_000;

interface Variant extends PipelineOptions {
  readonly name: string;
}

const VARIANTS: readonly Variant[] = [
  {
    name: "client events",
    webhookEvents: ["client_event"],
    batchWebhooks: false,
    act: (driver, id) => driver.sendClientEvent(id),
  },
  {
    name: "client events, batched",
    webhookEvents: ["client_event"],
    batchWebhooks: true,
    act: (driver, id) => driver.sendClientEvent(id),
  },
  {
    name: "channels occupied",
    webhookEvents: ["channel_occupied"],
    batchWebhooks: false,
    act: (driver, id) => driver.occupyChannel(id),
  },
];

/** All roles in one process: from what a client does to the receipt of the webhook that tells of it. */
export const PIPELINE: Workload = {
  name: "pipeline",
  async run(bench: Bench): Promise<Section[]> {
    if (!bench.contestants.some(({ name }) => name === "ringmaster")) return [];
    const seconds = bench.quick ? 3 : 10;
    return [
      await runPace(bench, {
        title: `pipeline: ${EVENTS_PER_SECOND} events a second, from the client's socket to the receiver; CPU per event, latency to receipt`,
        events: EVENTS_PER_SECOND * seconds,
        pace: (round) => ({ perSecond: EVENTS_PER_SECOND, seed: round + 1 }),
      }),
      await runPace(bench, {
        title: `pipeline: ${EVENTS_AT_ONCE} events as fast as the sockets take them; CPU per event`,
        events: EVENTS_AT_ONCE,
        pace: () => null,
      }),
    ];
  },
};

interface PacePlan {
  readonly title: string;
  readonly events: number;
  pace(round: number): Pace | null;
}

async function runPace(bench: Bench, { title, events, pace }: PacePlan): Promise<Section> {
  const sink = await Sink.start();
  try {
    const outcomes = await takeTurns(bench, {
      contestants: VARIANTS,
      rounds: bench.quick ? 2 : 5,
      open: (variant) => PipelineSession.open(sink, variant),
      async prepare(session) {
        await session.tell(EVENTS_AT_ONCE, null);
      },
      measure: (session, round) => session.tell(events, pace(round)),
    });
    return { title, rows: outcomes.map((outcome) => row(outcome, pace(0) !== null)), goals: [] };
  } finally {
    await sink.stop();
  }
}

function row({ contestant, rounds, failure }: Outcome<Told>, hasLatency: boolean): Row {
  if (failure !== null || rounds.length === 0)
    return failedRow(contestant, failure ?? "no round was run");
  const total = (value: (round: Told) => number): number =>
    rounds.reduce((sum, round) => sum + value(round), 0);
  const events = total((round) => round.events);
  const busy = total((round) => round.serverCpuNs) / total((round) => round.elapsedNs);
  return {
    contestant,
    failure: null,
    figure: figureOf(rounds.map((round) => round.serverCpuNs / 1_000 / round.events)),
    unit: "us/event",
    p50Us: hasLatency ? figureOf(rounds.map((round) => round.p50Ns / 1_000)).median : null,
    p99Us: hasLatency ? figureOf(rounds.map((round) => round.p99Ns / 1_000)).median : null,
    basis: [
      `${events.toLocaleString("en")} events in ${total((round) => round.requests).toLocaleString("en")} webhooks, ${rounds.length} rounds`,
      `server ${(busy * 100).toFixed(0)} %`,
    ].join("; "),
  };
}
