import { readdir, readFile } from "node:fs/promises";

/** CPU time is read from one process: work that is handed to another one would go uncounted. */
export async function refuseHelpers(pid: number): Promise<void> {
  for (const task of await readdir(`/proc/${pid}/task`)) {
    const children = await readFile(`/proc/${pid}/task/${task}/children`, "utf8").catch(() => "");
    if (children.trim() !== "")
      throw new Error(`it runs other processes (${children.trim()}), which are not measured`);
  }
}
