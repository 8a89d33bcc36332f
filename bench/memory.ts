import { readFile } from "node:fs/promises";

/** Memory of a process, as the kernel counts it. */
export interface Memory {
  /** Everything resident, the touched pages of the program's own file included. */
  readonly rssBytes: number;
  /** What no file stands behind: heap and stacks. */
  readonly anonymousBytes: number;
}

export async function memoryOf(pid: number): Promise<Memory> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (name: string): number => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1];
    if (kilobytes === undefined) throw new Error(`no ${name} in smaps_rollup`);
    return Number(kilobytes) * 1_024;
  };
  return { rssBytes: bytes("Rss"), anonymousBytes: bytes("Anonymous") };
}
