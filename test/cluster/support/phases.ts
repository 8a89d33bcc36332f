import type { Call } from "../../e2e/support/call.ts";
import type { Population } from "../../drain/support/population.ts";
import type { Publisher } from "../../drain/support/publisher.ts";
import { mostInOneSecond } from "../../drain/support/rates.ts";
import type { Ears } from "./ears.ts";
import type { Visitors } from "./visitors.ts";

/** All that goes on while something is done to the cluster. */
export interface Load {
  readonly population: Population;
  readonly publishers: readonly Publisher[];
  readonly ears: Ears;
  readonly visitors: Visitors;
  readonly calls: readonly Call[];
}

interface Phase {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** What was done, one after the other, and how clients and customers fared meanwhile. */
export class Phases {
  readonly #load: Load;
  readonly #phases: Phase[] = [];
  readonly #tell: (line: string) => void;

  constructor(load: Load, tell: (line: string) => void) {
    this.#load = load;
    this.#tell = tell;
  }

  async run(name: string, work: () => Promise<void>): Promise<void> {
    const fromMs = performance.now();
    this.#tell(`${name}: begins`);
    await work();
    const phase = { name, fromMs, toMs: performance.now() };
    this.#phases.push(phase);
    this.#tell(`${name}: ${this.#row(phase).join(" | ")}`);
  }

  /** A table in Markdown. */
  get report(): string {
    const heads = [
      "what was done",
      "s",
      "reconnects",
      "at most in 1 s",
      "back after, p99 ms",
      "publishes",
      "of them refused",
      "delivery p50 / p99 ms",
      "webhooks",
      "sent again",
      "webhook p50 / p99 ms",
    ];
    const rows = this.#phases.map((phase) => [phase.name, ...this.#row(phase)]);
    return [heads, heads.map(() => "---"), ...rows]
      .map((cells) => `| ${cells.join(" | ")} |`)
      .join("\n");
  }

  #row({ fromMs, toMs }: Phase): string[] {
    const { population, publishers, ears, visitors, calls } = this.#load;
    const isNow = (atMs: number): boolean => atMs >= fromMs && atMs < toMs;
    const dials = population.residents.flatMap(({ dialledAtMs }) => dialledAtMs.filter(isNow));
    const absences = population.residents.flatMap(({ lives, channels }) =>
      lives.flatMap(({ end }, place) => {
        const backAtMs = lives[place + 1]?.joinedAtMs.get(channels[0] ?? "");
        return end === undefined || backAtMs === undefined || !isNow(end.atMs)
          ? []
          : [backAtMs - end.atMs];
      }),
    );
    const publishes = publishers.flatMap((publisher) =>
      publisher.publishes.filter(({ sentAtMs }) => isNow(sentAtMs)),
    );
    const latencies = ears.latenciesMs(publishers, fromMs, toMs);
    const received = calls.filter(({ atMs }) => isNow(atMs));
    const known = new Set(calls.filter(({ atMs }) => atMs < fromMs).map(({ id }) => id));
    const again = received.filter(({ id }) => known.size === known.add(id).size).length;
    const waits = webhookWaitsMs(visitors, calls, isNow);
    return [
      ((toMs - fromMs) / 1_000).toFixed(0),
      `${dials.length}`,
      `${mostInOneSecond(dials)}`,
      quantile(absences, 0.99),
      `${publishes.length}`,
      `${publishes.filter(({ isAccepted }) => !isAccepted).length}`,
      `${quantile(latencies, 0.5)} / ${quantile(latencies, 0.99)}`,
      `${received.length}`,
      `${again}`,
      `${quantile(waits, 0.5)} / ${quantile(waits, 0.99)}`,
    ];
  }
}

/** From joining a channel to the customer's being told, for visits that began in this time and were told of. */
function webhookWaitsMs(
  { visits }: Visitors,
  calls: readonly Call[],
  isNow: (atMs: number) => boolean,
): number[] {
  const toldAtMs = new Map<string, number>();
  for (const { atMs, events } of calls)
    for (const { name, channel } of events)
      if (name === "channel_occupied" && !toldAtMs.has(channel)) toldAtMs.set(channel, atMs);
  return visits.flatMap(({ channel, joinedAtMs }) => {
    const atMs = toldAtMs.get(channel);
    return atMs === undefined || !isNow(joinedAtMs) ? [] : [atMs - joinedAtMs];
  });
}

function quantile(values: readonly number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return value === undefined ? "-" : value.toFixed(value < 10 ? 1 : 0);
}
