import { readFileSync } from "node:fs";

/** For listeners, HTTP connections, files and the stores' own connections. */
const RESERVED = 256;
/** Fewer than this and a deploy or a morning may well exhaust it: worth a warning. */
const COMFORTABLE = 10_000;

export interface DescriptorLimit {
  /** Open files this process may have; Infinity where the system does not say. */
  readonly limit: number;
  /** Sockets that leaves. */
  readonly sockets: number;
  readonly isLow: boolean;
}

/** The limit in force. The runtime has raised the soft limit to the hard one before our first line runs. */
export function descriptorLimit(): DescriptorLimit {
  return descriptorLimitIn(readLimits());
}

/** Reads the text of /proc/self/limits. */
export function descriptorLimitIn(limits: string): DescriptorLimit {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  const limit =
    soft === undefined || soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
  const sockets = Math.max(1, limit - RESERVED);
  return { limit, sockets, isLow: sockets < COMFORTABLE };
}

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
