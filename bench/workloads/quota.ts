import type { Bench } from "../bench.ts";
import { CpuQuota } from "../cpu-quota.ts";
import { figureOf } from "../figure.ts";
import { type Outcome, takeTurns } from "../rounds.ts";
import { failedRow } from "../rows.ts";
import type { Row, Section } from "../section.ts";
import { type Delivery, SenderSession } from "../sender-session.ts";
import { Sink } from "../sink.ts";
import type { Workload } from "../workload.ts";

const CORES = 0.25;
const JOBS = 8_000;
const TITLE = `quota: one sender that may use ${CORES} of a core, one endpoint; deliveries per second`;

/** As a pod of 250 mCPU: the kernel stops it for the rest of each 100 ms once it has used its 25. */
export const QUOTA: Workload = {
  name: "quota",
  async run(bench: Bench): Promise<Section[]> {
    const sink = await Sink.start();
    const urls = [`http://127.0.0.1:${sink.port}/webhooks`];
    try {
      const quota = await CpuQuota.create(CORES);
      try {
        const outcomes = await takeTurns(bench, {
          contestants: bench.senders,
          rounds: bench.quick ? 2 : 5,
          open: (sender) => SenderSession.open(sender, sink, { caFile: null }),
          async prepare(session) {
            await session.deliver(JOBS, urls);
            await quota.admit(session.sender.child.pid);
          },
          measure: (session) => session.deliver(JOBS, urls),
        });
        return [{ title: TITLE, rows: outcomes.map(row), goals: [] }];
      } finally {
        await quota.remove();
      }
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      const rows = bench.senders.map(({ name }) => failedRow(name, failure));
      return [{ title: TITLE, rows, goals: [] }];
    } finally {
      await sink.stop();
    }
  },
};

function row({ contestant, rounds, failure }: Outcome<Delivery>): Row {
  if (failure !== null || rounds.length === 0)
    return failedRow(contestant, failure ?? "no round was run");
  const cores = figureOf(rounds.map((round) => round.senderCpuNs / round.elapsedNs)).median;
  return {
    contestant,
    failure: null,
    figure: figureOf(rounds.map((round) => (round.jobs / (round.lastNs - round.firstNs)) * 1e9)),
    unit: "a second",
    p50Us: null,
    p99Us: null,
    basis: `${(rounds.length * JOBS).toLocaleString("en")} deliveries in ${rounds.length} rounds; used ${cores.toFixed(2)} of a core`,
  };
}
