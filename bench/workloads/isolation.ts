import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { endpointIdOf } from "../../src/protocol/webhook.ts";
import { figureOf } from "../figure.ts";
import { ratioGoal } from "../goal.ts";
import { PipelineSession, type Told } from "../pipeline-session.ts";
import { ringmasterJob } from "../ringmaster-job.ts";
import { failedRow } from "../rows.ts";
import type { Row, Section } from "../section.ts";
import { Sink } from "../sink.ts";
import type { Workload } from "../workload.ts";
import { bodyOf } from "../webhook-job.ts";

const HANGING_JOBS = 10_000;
const NOISY_APP = "noisy";
const EVENTS_PER_SECOND = 200;
const NOISE_RATIO = 1.3;
/** Longer than any run: none of them may become a dead letter while it is needed. */
const RETRY_WINDOW_MS = 3 * 60 * 60 * 1_000;
const CALM_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

interface Variant {
  readonly title: string;
  readonly endpoints: number;
}

const VARIANTS: readonly Variant[] = [
  { title: "an endpoint that hangs", endpoints: 1 },
  { title: "200 endpoints that hang", endpoints: 200 },
];

/** The webhooks of one app, with and without another app's that nobody answers. */
export const ISOLATION: Workload = {
  name: "isolation",
  async run(bench: Bench): Promise<Section[]> {
    if (!bench.contestants.some(({ name }) => name === "ringmaster")) return [];
    const sections: Section[] = [];
    for (const variant of VARIANTS) sections.push(await runVariant(bench, variant));
    return sections;
  },
};

async function runVariant(bench: Bench, { title, endpoints }: Variant): Promise<Section> {
  const alone: Told[] = [];
  const beside: Told[] = [];
  let failure: string | null = null;
  const sink = await Sink.start();
  try {
    const session = await PipelineSession.open(sink, {
      webhookEvents: ["client_event"],
      batchWebhooks: false,
      act: (driver, id) => driver.sendClientEvent(id),
    });
    try {
      const noise = new Noise(session, sink, endpoints);
      const events = EVENTS_PER_SECOND * (bench.quick ? 3 : 12);
      await session.tell(events, null);
      const rounds = bench.quick ? 2 : 5;
      for (let round = 0; round < rounds; round++) {
        bench.progress(`isolation: round ${round + 1} of ${rounds}`);
        const pace = { perSecond: EVENTS_PER_SECOND, seed: round + 1 };
        alone.push(await session.tell(events, pace));
        beside.push(await noise.during(() => session.tell(events, pace)));
      }
      // Not in each round: the sender may have learnt to leave the endpoint alone for longer than one.
      if (beside.every(({ hanging }) => hanging === 0))
        throw new Error("nothing hung: there was no noise");
    } catch (error) {
      failure = session.describe(error);
    } finally {
      await session.close();
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    await sink.stop();
  }
  const isMeasured = failure === null;
  return {
    title: `isolation: ${EVENTS_PER_SECOND} events a second of one app, beside ${HANGING_JOBS} webhooks of another to ${title}; p99 to receipt`,
    rows: [row("alone", alone, failure), row("beside the noise", beside, failure)],
    goals: [
      ratioGoal(
        "beside the noise / alone",
        NOISE_RATIO,
        isMeasured ? beside.map(p99Ms) : null,
        isMeasured ? alone.map(p99Ms) : null,
      ),
    ],
  };
}

/** Webhooks to the port that never answers, paused but for the time of a measurement. */
class Noise {
  readonly #session: PipelineSession;
  readonly #sink: Sink;
  readonly #endpointIds: readonly string[];

  constructor(session: PipelineSession, sink: Sink, endpoints: number) {
    this.#session = session;
    this.#sink = sink;
    const webhookIds = Array.from({ length: endpoints }, (_, index) => `hangs-${index}`);
    this.#endpointIds = webhookIds.map((id) => endpointIdOf(NOISY_APP, id));
    session.jobs.pause(this.#endpointIds);
    session.jobs.add(
      Array.from({ length: HANGING_JOBS }, (_, index) => {
        const endpoint = index % endpoints;
        return ringmasterJob({
          appId: NOISY_APP,
          webhookId: `hangs-${endpoint}`,
          url: `http://127.2.0.${endpoint}:${sink.hangingPort}/webhooks`,
          body: bodyOf(index),
          retryWindowMs: RETRY_WINDOW_MS,
        });
      }),
    );
  }

  async during(measure: () => Promise<Told>): Promise<Told> {
    const { jobs } = this.#session;
    jobs.resume(this.#endpointIds);
    const told = await measure();
    if (jobs.waitingOf(NOISY_APP) !== HANGING_JOBS) throw new Error("the noise became less");
    jobs.pause(this.#endpointIds);
    const deadlineMs = performance.now() + CALM_TIMEOUT_MS;
    while ((await this.#sink.look()).openHanging > 0) {
      if (performance.now() > deadlineMs) throw new Error("the noise does not end");
      await sleep(POLL_MS);
    }
    return told;
  }
}

function row(name: string, rounds: readonly Told[], failure: string | null): Row {
  if (failure !== null) return failedRow(name, failure);
  const events = rounds.reduce((sum, round) => sum + round.events, 0);
  const hanging = rounds.reduce((sum, round) => sum + round.hanging, 0);
  return {
    contestant: name,
    failure: null,
    figure: figureOf(rounds.map(p99Ms)),
    unit: "ms p99",
    p50Us: figureOf(rounds.map((round) => round.p50Ns / 1_000)).median,
    p99Us: figureOf(rounds.map((round) => round.p99Ns / 1_000)).median,
    basis: `${events.toLocaleString("en")} events in ${rounds.length} rounds; ${hanging} connections hung`,
  };
}

function p99Ms(round: Told): number {
  return round.p99Ns / 1e6;
}
