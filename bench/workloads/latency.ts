import type { Bench } from "../bench.ts";
import { CHANNEL_PREFIX, Session } from "../session.ts";
import type { Workload } from "../workload.ts";
import { figureOf } from "../figure.ts";
import { ratioGoal } from "../goal.ts";
import type { Measurement } from "../load.ts";
import { takeTurns, valuesOf } from "../rounds.ts";
import { measurementRows } from "../rows.ts";
import type { Section } from "../section.ts";
import { warmUpPublishing } from "../warm-up.ts";

const SOCKETS = 1_000;
const LOAD_SHARE = 0.5;
const SOKETI_RATIO = 0.5;
const PUBLISHING_CONNECTIONS = 64;
const SATURATING_CONNECTIONS = 8;

interface Rooms {
  readonly channels: number;
  readonly title: string;
  readonly capacityPublishes: number;
  /** Used when soketi is not there to be measured: what it reached on the machine that this was written on. */
  readonly assumedCapacity: number;
}

const LAYOUTS: readonly Rooms[] = [
  {
    channels: 1,
    title: `one channel of ${SOCKETS} sockets`,
    capacityPublishes: 200,
    assumedCapacity: 150,
  },
  {
    channels: 100,
    title: "100 channels of 10 sockets",
    capacityPublishes: 10_000,
    assumedCapacity: 4_000,
  },
];

/** Publishes arrive when they arrive (Poisson), at half of the rate that keeps soketi's core full. */
export const LATENCY: Workload = {
  name: "latency",
  async run(bench: Bench): Promise<Section[]> {
    const sections: Section[] = [];
    for (const rooms of LAYOUTS) sections.push(await runLayout(bench, rooms));
    return sections;
  },
};

async function runLayout(bench: Bench, rooms: Rooms): Promise<Section> {
  // The limit writes to every socket that it has: it has no channels.
  const contestants = bench.contestants.filter(
    ({ name }) => name !== "limit" || rooms.channels === 1,
  );
  const capacity = await soketiCapacity(bench, rooms);
  const requestsPerSecond = (capacity ?? rooms.assumedCapacity) * LOAD_SHARE;
  const secondsPerRound = bench.quick ? 4 : 12;
  const outcomes = await takeTurns(bench, {
    contestants,
    rounds: bench.quick ? 2 : 5,
    open: (contestant) => Session.open(contestant, bench.block),
    async prepare(session) {
      await session.connect(SOCKETS, rooms.channels);
      await warmUpPublishing(session);
      await saturate(session, rooms);
    },
    async measure(session, round) {
      await session.load.ping();
      return publishTo(session, rooms, Math.ceil(requestsPerSecond * secondsPerRound), {
        kind: "paced",
        connections: PUBLISHING_CONNECTIONS,
        requestsPerSecond,
        seed: round + 1,
      });
    },
  });
  const origin =
    capacity === null
      ? "an assumed capacity of soketi"
      : `soketi's capacity of ${capacity.toFixed(0)}`;
  return {
    title: `latency: ${rooms.title}, ${requestsPerSecond.toFixed(0)} publishes/s, half of ${origin}; delivery p99 from the time that a publish was due`,
    rows: measurementRows(outcomes, {
      value: p99Ms,
      unit: "ms p99",
      operations: (round) => round.deliveries,
      noun: "deliveries",
    }),
    goals: [
      ratioGoal(
        "ringmaster / soketi",
        SOKETI_RATIO,
        valuesOf(outcomes, "ringmaster", p99Ms),
        valuesOf(outcomes, "soketi", p99Ms),
      ),
    ],
  };
}

/** Publishes a second that soketi gets through when it never has to wait for the next one; null if it is not there. */
async function soketiCapacity(bench: Bench, rooms: Rooms): Promise<number | null> {
  const contestant = bench.contestants.find(({ name }) => name === "soketi");
  if (contestant === undefined) return null;
  bench.progress("soketi: find its capacity");
  try {
    const session = await Session.open(contestant, bench.block);
    try {
      await session.connect(SOCKETS, rooms.channels);
      await warmUpPublishing(session);
      await saturate(session, rooms);
      const rates: number[] = [];
      for (let round = 0; round < 3; round++) {
        const { requests, elapsedNs } = await saturate(session, rooms);
        rates.push((requests / elapsedNs) * 1e9);
      }
      return figureOf(rates).median;
    } finally {
      await session.close();
    }
  } catch {
    // Whatever is wrong with it is reported by its row.
    return null;
  }
}

function saturate(session: Session, rooms: Rooms): Promise<Measurement> {
  return publishTo(session, rooms, rooms.capacityPublishes, {
    kind: "closed",
    connections: SATURATING_CONNECTIONS,
  });
}

function publishTo(
  session: Session,
  rooms: Rooms,
  requests: number,
  mode: Parameters<Session["publish"]>[0]["mode"],
): Promise<Measurement> {
  return session.publish({
    requests,
    messagesPerRequest: 1,
    deliveriesPerMessage: SOCKETS / rooms.channels,
    mode,
    channelOf: (request) => `${CHANNEL_PREFIX}-${request % rooms.channels}`,
  });
}

function p99Ms(round: Measurement): number {
  return round.p99Ns / 1e6;
}
