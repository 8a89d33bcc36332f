import { access, mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atEnd } from "./child.ts";

const ROOT = "/sys/fs/cgroup";
const PERIOD_US = 100_000;

/** A control group that processes can be put into, all of which together have a part of a core. */
export class CpuQuota {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Rejects, with what to do, where no group can be made. */
  static async create(cores: number): Promise<CpuQuota> {
    const parent = await cpuController();
    const directory = join(parent, `ringmaster-bench-${process.pid}`);
    const quotaUs = cores * PERIOD_US;
    try {
      await mkdir(directory);
      const quota = new CpuQuota(directory);
      atEnd(() => quota.remove());
      if (parent === ROOT) {
        await writeFile(join(directory, "cpu.max"), `${quotaUs} ${PERIOD_US}`);
      } else {
        await writeFile(join(directory, "cpu.cfs_period_us"), String(PERIOD_US));
        await writeFile(join(directory, "cpu.cfs_quota_us"), String(quotaUs));
      }
      return quota;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`needs root and a control group with a CPU controller: ${why}`, {
        cause: error,
      });
    }
  }

  async admit(pid: number): Promise<void> {
    await writeFile(join(this.#directory, "cgroup.procs"), String(pid));
  }

  /** Of a group whose processes have ended. */
  async remove(): Promise<void> {
    for (let attempt = 0; attempt < 50; attempt++) {
      try {
        return await rmdir(this.#directory);
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
        // The kernel needs a moment to see that they have.
        await sleep(20);
      }
    }
  }
}

/** Of the first version a hierarchy of its own, of the second the root, where the controller is on for groups below. */
async function cpuController(): Promise<string> {
  const exists = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  if (await exists(join(ROOT, "cpu", "cgroup.procs"))) return join(ROOT, "cpu");
  if (!(await exists(join(ROOT, "cgroup.subtree_control"))))
    throw new Error(`no control groups in ${ROOT}: run it where they are mounted, as root`);
  await writeFile(join(ROOT, "cgroup.subtree_control"), "+cpu").catch(() => undefined);
  return ROOT;
}
