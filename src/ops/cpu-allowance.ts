import { readFileSync } from "node:fs";

/** As a container sees its own control group; version 2 first, for where both are mounted it is the one in force. */
const V2_FILE = "/sys/fs/cgroup/cpu.max";
const V1_FOLDERS = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"];

/**
 * How much of a CPU this process may use: what the container's quota leaves, and 1 at most, for JavaScript runs on one. 1 where
 * there is no quota, or none can be read.
 */
export function cpuAllowance(): number {
  const v2 = read(V2_FILE);
  if (v2 !== undefined) return allowanceOfV2(v2);
  for (const folder of V1_FOLDERS) {
    const quota = read(`${folder}/cpu.cfs_quota_us`);
    const period = read(`${folder}/cpu.cfs_period_us`);
    if (quota !== undefined && period !== undefined) return allowanceOfV1(quota, period);
  }
  return 1;
}

/** Reads the text of cpu.max: `<quota> <period>`, or `max <period>`. */
export function allowanceOfV2(text: string): number {
  const [quota, period] = text.trim().split(/\s+/);
  return ratio(quota, period);
}

/** Reads the texts of cpu.cfs_quota_us, -1 for none, and of cpu.cfs_period_us. */
export function allowanceOfV1(quota: string, period: string): number {
  return ratio(quota.trim(), period.trim());
}

function ratio(quota: string | undefined, period: string | undefined): number {
  const share = Number(quota) / Number(period);
  return share > 0 ? Math.min(1, share) : 1;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
