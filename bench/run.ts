import type { Bench } from "./bench.ts";
import type { Workload } from "./workload.ts";
import { LOAD_CORE, cleanUp, killAll } from "./child.ts";
import { compile } from "./compile.ts";
import type { Contestant } from "./contestant.ts";
import { BARE_POST } from "./contestants/bare-post.ts";
import { CLOWN, KEEP_ALIVE_CLOWN } from "./contestants/clown.ts";
import { LIMIT } from "./contestants/limit.ts";
import { RINGMASTER_SENDER } from "./contestants/ringmaster-sender.ts";
import { RINGMASTER } from "./contestants/ringmaster.ts";
import { SOKETI } from "./contestants/soketi.ts";
import { Surroundings, machineFacts } from "./machine.ts";
import { USAGE, readOptions } from "./options.ts";
import type { Sender } from "./sender.ts";
import { type Section, reached } from "./section.ts";
import { sectionLines, tableHead } from "./table.ts";
import { BURSTS } from "./workloads/burst.ts";
import { CONNECT } from "./workloads/connect.ts";
import { FANOUT } from "./workloads/fanout.ts";
import { IDLE } from "./workloads/idle.ts";
import { ISOLATION } from "./workloads/isolation.ts";
import { LATENCY } from "./workloads/latency.ts";
import { CHURN } from "./workloads/churn.ts";
import { CROSSING } from "./workloads/crossing.ts";
import { FOOTPRINT } from "./workloads/footprint.ts";
import { NODES } from "./workloads/nodes.ts";
import { PIPELINE } from "./workloads/pipeline.ts";
import { PUBLISH } from "./workloads/publish.ts";
import { QUOTA } from "./workloads/quota.ts";
import { WEBHOOKS } from "./workloads/webhooks.ts";

const WORKLOADS: readonly Workload[] = [
  FANOUT,
  BURSTS,
  PUBLISH,
  IDLE,
  CONNECT,
  LATENCY,
  WEBHOOKS,
  PIPELINE,
  ISOLATION,
  QUOTA,
  NODES,
  CROSSING,
  CHURN,
  FOOTPRINT,
];
const CONTESTANTS: readonly Contestant[] = [RINGMASTER, SOKETI, LIMIT];
const SENDERS: readonly Sender[] = [RINGMASTER_SENDER, CLOWN, KEEP_ALIVE_CLOWN, BARE_POST];

const INTERRUPTED = 130;

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const workloads = pick(WORKLOADS, options.workloads, "workload");
  const chosen = pick<Contestant | Sender>(
    [...CONTESTANTS, ...SENDERS],
    options.only,
    "contestant",
  );
  if (navigator.hardwareConcurrency < 2)
    throw new Error("needs two cores: one for the server, one for the load");
  pinToLoadCore();
  await Promise.all([compile("load"), compile("limit"), compile("sink")]);

  const bench: Bench = {
    contestants: CONTESTANTS.filter((contestant) => chosen.includes(contestant)),
    senders: SENDERS.filter((sender) => chosen.includes(sender)),
    quick: options.quick,
    block: options.block,
    progress,
  };
  const facts = await machineFacts();
  print([
    ...facts,
    ...(options.quick ? ["quick: too few rounds for a figure to quote"] : []),
    "",
    tableHead(),
  ]);
  const sections: Section[] = [];
  for (const workload of workloads) {
    const surroundings = new Surroundings();
    const measured = await workload.run(bench);
    clearProgress();
    for (const section of measured) print(sectionLines(section));
    print(await surroundings.describe());
    sections.push(...measured);
  }
  if (options.jsonFile !== null) {
    await Bun.write(
      options.jsonFile,
      `${JSON.stringify({ facts, quick: options.quick, sections }, null, 2)}\n`,
    );
  }
  print(["", verdict(sections)]);
  return 0;
}

function pick<T extends { readonly name: string }>(
  all: readonly T[],
  names: readonly string[],
  what: string,
): readonly T[] {
  for (const name of names) {
    if (!all.some((candidate) => candidate.name === name)) {
      throw new Error(
        `no ${what} is called ${name}; there are ${[...new Set(all.map((candidate) => candidate.name))].join(", ")}`,
      );
    }
  }
  return names.length === 0 ? all : all.filter((candidate) => names.includes(candidate.name));
}

/** This program sleeps while it measures, but what it does in between must not be on the server's core. */
function pinToLoadCore(): void {
  for (const tool of ["taskset", "setpriv", "setsid"]) {
    if (Bun.which(tool) === null) throw new Error(`needs ${tool}: apt install util-linux`);
  }
  Bun.spawnSync(["taskset", "-acp", String(LOAD_CORE), String(process.pid)]);
}

function verdict(sections: readonly Section[]): string {
  const goals = sections.flatMap((section) => section.goals);
  const count = (outcome: boolean | null): number =>
    goals.filter((goal) => reached(goal) === outcome).length;
  return `goals: ${count(true)} reached, ${count(false)} missed, ${count(null)} not measured`;
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K… ${text}`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    killAll();
    void cleanUp().finally(() => process.exit(INTERRUPTED));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  clearProgress();
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
