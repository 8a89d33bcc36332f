import type { Bench } from "../bench.ts";
import { figureOf } from "../figure.ts";
import { ratioGoal } from "../goal.ts";
import { type HttpsFront, startHttpsFront } from "../https-front.ts";
import { type Outcome, takeTurns, valuesOf } from "../rounds.ts";
import { failedRow } from "../rows.ts";
import type { Row, Section } from "../section.ts";
import { type Delivery, SenderSession } from "../sender-session.ts";
import { Sink } from "../sink.ts";
import type { Workload } from "../workload.ts";

/** Of the sender that was replaced, as it ran, and had it kept its connections. */
const CLOWN_RATIO = 1 / 18;
const KEEP_ALIVE_CLOWN_RATIO = 1 / 8;
const MANY_ENDPOINTS = 1_000;

interface Variant {
  readonly title: string;
  readonly jobs: number;
  readonly isHttps: boolean;
  readonly hasGoals: boolean;
  urls(port: number): string[];
}

const VARIANTS: readonly Variant[] = [
  {
    title: "webhooks: to one endpoint; sender CPU per delivery, from queue to acknowledgement",
    jobs: 20_000,
    isHttps: false,
    hasGoals: true,
    urls: (port) => [`http://127.0.0.1:${port}/webhooks`],
  },
  {
    title: "webhooks: to one endpoint over HTTPS; sender CPU per delivery",
    jobs: 10_000,
    isHttps: true,
    hasGoals: false,
    urls: (port) => [`https://127.0.0.1:${port}/webhooks`],
  },
  {
    title: `webhooks: to ${MANY_ENDPOINTS} endpoints on as many hosts, in turn; sender CPU per delivery`,
    jobs: 20_000,
    isHttps: false,
    hasGoals: false,
    urls: (port) =>
      Array.from(
        { length: MANY_ENDPOINTS },
        (_, index) => `http://127.1.${index >> 8}.${index & 255}:${port}/webhooks`,
      ),
  },
];

/** A queue of webhooks is delivered, each answered at once. */
export const WEBHOOKS: Workload = {
  name: "webhooks",
  async run(bench: Bench): Promise<Section[]> {
    const sections: Section[] = [];
    for (const variant of VARIANTS) sections.push(await runVariant(bench, variant));
    return sections;
  },
};

async function runVariant(bench: Bench, variant: Variant): Promise<Section> {
  const sink = await Sink.start();
  let front: HttpsFront | undefined;
  try {
    if (variant.isHttps) front = await startHttpsFront(sink.port);
    const urls = variant.urls(front?.port ?? sink.port);
    const caFile = front?.caFile ?? null;
    const jobs = bench.quick ? variant.jobs / 4 : variant.jobs;
    const outcomes = await takeTurns(bench, {
      contestants: bench.senders,
      rounds: bench.quick ? 3 : 5,
      open: (sender) => SenderSession.open(sender, sink, { caFile }),
      async prepare(session) {
        await session.deliver(jobs, urls);
      },
      measure: (session) => session.deliver(jobs, urls),
    });
    return {
      title: variant.title,
      rows: outcomes.map((outcome) => row(outcome, variant)),
      goals: variant.hasGoals ? goals(outcomes) : [],
    };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    const rows = bench.senders.map(({ name }) => failedRow(name, failure));
    return { title: variant.title, rows, goals: [] };
  } finally {
    await front?.stop();
    await sink.stop();
  }
}

function goals(outcomes: readonly Outcome<Delivery>[]): Section["goals"] {
  const ours = valuesOf(outcomes, "ringmaster", cpuUs);
  return [
    ratioGoal("ringmaster / clown", CLOWN_RATIO, ours, valuesOf(outcomes, "clown", cpuUs)),
    ratioGoal(
      "ringmaster / keep-alive clown",
      KEEP_ALIVE_CLOWN_RATIO,
      ours,
      valuesOf(outcomes, "keep-alive clown", cpuUs),
    ),
  ];
}

function row({ contestant, rounds, failure }: Outcome<Delivery>, { isHttps }: Variant): Row {
  if (failure !== null || rounds.length === 0)
    return failedRow(contestant, failure ?? "no round was run");
  const total = (value: (round: Delivery) => number): number =>
    rounds.reduce((sum, round) => sum + value(round), 0);
  const jobs = total((round) => round.jobs);
  const perSecond = figureOf(
    rounds.map((round) => (round.jobs / (round.lastNs - round.firstNs)) * 1e9),
  );
  const repeats = total((round) => round.repeats);
  return {
    contestant,
    failure: null,
    figure: figureOf(rounds.map(cpuUs)),
    unit: "us/delivery",
    p50Us: null,
    p99Us: null,
    basis: [
      `${jobs.toLocaleString("en")} deliveries in ${rounds.length} rounds`,
      `${perSecond.median.toFixed(0)} a second`,
      // Behind nginx they are nginx's.
      ...(isHttps
        ? []
        : [`${total((round) => round.connections).toLocaleString("en")} new connections`]),
      `sink ${(total((round) => round.busyNs) / 1_000 / jobs).toFixed(1)} us`,
      ...(repeats === 0 ? [] : [`${repeats} came twice`]),
    ].join("; "),
  };
}

function cpuUs(round: Delivery): number {
  return round.senderCpuNs / 1_000 / round.jobs;
}
