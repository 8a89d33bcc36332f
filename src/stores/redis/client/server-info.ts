import { RedisFault } from "../connection.ts";

const OLDEST_VERSION = 7;

/** Throws a `RedisFault` unless what INFO answers is of a server that can be worked with, at this moment. */
export function checkServer(info: string, isClusterWanted: boolean): void {
  const valueOf = (name: string): string =>
    new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
  const version = valueOf("redis_version");
  if (Number.parseInt(version, 10) < OLDEST_VERSION)
    throw new RedisFault(
      "refused",
      `This is Redis ${version}: Ringmaster needs Redis ${OLDEST_VERSION} or later, or Valkey.`,
    );
  const isCluster = valueOf("cluster_enabled") === "1";
  if (isCluster !== isClusterWanted)
    throw new RedisFault(
      "refused",
      isCluster
        ? "This server belongs to a Cluster, and is not configured as one."
        : "This server belongs to no Cluster, and is configured as one.",
    );
  if (valueOf("loading") === "1")
    throw new RedisFault("not-ready", "LOADING This server still loads its data.");
  if (valueOf("role") === "slave")
    throw new RedisFault("not-ready", "READONLY This server is a replica.");
}
