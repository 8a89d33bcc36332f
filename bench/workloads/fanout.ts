import type { Bench } from "../bench.ts";
import { CHANNEL_PREFIX, Session } from "../session.ts";
import type { Workload } from "../workload.ts";
import { ratioGoal } from "../goal.ts";
import type { Measurement } from "../load.ts";
import { takeTurns, valuesOf } from "../rounds.ts";
import { deliveryCpuUs, deliveryRows } from "../rows.ts";
import type { Section } from "../section.ts";
import { warmUpPublishing } from "../warm-up.ts";

const SOCKETS = 1_000;
const LIMIT_RATIO = 1.2;
const SOKETI_RATIO = 0.55;

/** One publish to 1,000 sockets; the next one after the whole delivery. */
export const FANOUT: Workload = {
  name: "fanout",
  async run(bench: Bench): Promise<Section[]> {
    const publishes = bench.quick ? 100 : 300;
    const outcomes = await takeTurns(bench, {
      contestants: bench.contestants,
      rounds: bench.quick ? 3 : 9,
      open: (contestant) => Session.open(contestant, bench.block),
      async prepare(session) {
        await session.connect(SOCKETS, 1);
        await warmUpPublishing(session);
        await publishOneByOne(session, publishes);
      },
      async measure(session) {
        await session.load.ping();
        return publishOneByOne(session, publishes);
      },
    });
    const ours = valuesOf(outcomes, "ringmaster", deliveryCpuUs);
    return [
      {
        title: `fanout: one publish to ${SOCKETS} sockets, the next after the whole delivery; CPU per delivery`,
        rows: deliveryRows(outcomes),
        goals: [
          ratioGoal(
            "ringmaster / limit",
            LIMIT_RATIO,
            ours,
            valuesOf(outcomes, "limit", deliveryCpuUs),
          ),
          ratioGoal(
            "ringmaster / soketi",
            SOKETI_RATIO,
            ours,
            valuesOf(outcomes, "soketi", deliveryCpuUs),
          ),
        ],
      },
    ];
  },
};

function publishOneByOne(session: Session, publishes: number): Promise<Measurement> {
  return session.publish({
    requests: publishes,
    messagesPerRequest: 1,
    deliveriesPerMessage: SOCKETS,
    mode: { kind: "group", size: 1 },
    channelOf: () => `${CHANNEL_PREFIX}-0`,
  });
}
