import { readFile } from "node:fs/promises";
import { endedChildrenCpuUs } from "./child.ts";

const TICKS_PER_SECOND = 100;
/** Other work above this share of a core makes figures doubtful. */
const QUIET_CORES = 0.15;

export async function machineFacts(): Promise<string[]> {
  const [cpuInfo, kernel, memoryInfo] = await Promise.all([
    readFile("/proc/cpuinfo", "utf8"),
    readFile("/proc/sys/kernel/osrelease", "utf8"),
    readFile("/proc/meminfo", "utf8"),
  ]);
  const model = /^model name\s*:\s*(.*)$/m.exec(cpuInfo)?.[1] ?? "unknown CPU";
  const cores = cpuInfo.match(/^processor\s*:/gm)?.length ?? 0;
  const memoryGb = Number(/^MemTotal:\s*(\d+)/.exec(memoryInfo)?.[1] ?? 0) / 1e6;
  const [node, cc] = await Promise.all([
    firstLine(["node", "--version"]),
    firstLine(["cc", "--version"]),
  ]);
  return [
    `${model}, ${cores} cores, ${memoryGb.toFixed(0)} GB; Linux ${kernel.trim()}`,
    `bun ${Bun.version}; node ${node}; ${cc}`,
  ];
}

async function firstLine(command: readonly string[]): Promise<string> {
  if (Bun.which(command[0] ?? "") === null) return "absent";
  const output = await new Response(Bun.spawn([...command], { stderr: "ignore" }).stdout).text();
  return output.split("\n", 1)[0] ?? "";
}

/** Watches what else the machine does while something is measured. */
export class Surroundings {
  readonly #startMs = performance.now();
  readonly #startOwnUs = ownCpuUs();
  readonly #start: Promise<CoreTimes> = readCoreTimes();

  /** To be called when every child of the workload has been stopped, for their CPU time is known only then. */
  async describe(): Promise<string[]> {
    const [start, end] = [await this.#start, await readCoreTimes()];
    const elapsedS = (performance.now() - this.#startMs) / 1_000;
    const ownS = (ownCpuUs() - this.#startOwnUs) / 1e6;
    const foreign = Math.max(0, end.busyS - start.busyS - ownS) / elapsedS;
    const stolen = (end.stealS - start.stealS) / elapsedS;
    const share = (cores: number): string => `${(cores * 100).toFixed(0)} %`;
    const lines = [
      `  meanwhile other programs took ${share(foreign)} of a core, the hypervisor ${share(stolen)}; ${elapsedS.toFixed(0)} s`,
    ];
    if (foreign + stolen > QUIET_CORES) {
      lines.push(
        "  NOISY: too much else was going on to trust the latencies, and to quote the rest",
      );
    }
    return lines;
  }
}

interface CoreTimes {
  readonly busyS: number;
  readonly stealS: number;
}

async function readCoreTimes(): Promise<CoreTimes> {
  const fields =
    (await readFile("/proc/stat", "utf8"))
      .split("\n", 1)[0]
      ?.trim()
      .split(/\s+/)
      .slice(1)
      .map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = fields;
  return {
    busyS: (user + nice + system + irq + softIrq) / TICKS_PER_SECOND,
    stealS: steal / TICKS_PER_SECOND,
  };
}

function ownCpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system + endedChildrenCpuUs();
}
