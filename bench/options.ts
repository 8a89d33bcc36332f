import { parseArgs } from "node:util";

export interface Options {
  /** Workloads to run, in this order; empty for all. */
  readonly workloads: readonly string[];
  /** Contestants to run; empty for all. */
  readonly only: readonly string[];
  readonly quick: boolean;
  /** The load generator sleeps until something arrives instead of looking without pause. */
  readonly block: boolean;
  readonly jsonFile: string | null;
}

export const USAGE = `usage: npm run bench -- [workload…] [options]

workloads: fanout, burst, publish, idle, connect, latency, webhooks, pipeline, isolation, quota, nodes,
           crossing, churn, footprint (all when none is named)

  --quick              fewer rounds and operations: for a look, not for a figure to quote
  --only NAME[,NAME]   only these contestants: ringmaster, soketi, limit; of webhooks ringmaster, clown,
                       "keep-alive clown", "bare POST"
  --block              let the load generator sleep between deliveries, so that the server pays for waking it
  --json FILE          write every round's figures to FILE as well
  --help
`;

export function readOptions(argv: readonly string[]): Options | null {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      block: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  return {
    workloads: positionals,
    only: values.only.split(",").filter((name) => name !== ""),
    quick: values.quick,
    block: values.block,
    jsonFile: values.json ?? null,
  };
}
