import type { ServerFacts } from "../../stores/redis/client/inspection.ts";
import { finding, type Finding } from "./finding.ts";

const OWED = "events that no webhook was made of yet, queued webhooks, dead letters";
const NODES_COME_BACK = "Who is connected is written again by the nodes within seconds.";
const SHOWN_BY_SETTING = 3;

/** What is lost when a server ends, its machine ends, or another takes its place. */
export function durabilityFindings(
  facts: ServerFacts,
  { owesWebhooks }: { readonly owesWebhooks: boolean },
): Finding[] {
  const { info, config, address } = facts;
  if (info === undefined) return [];
  return [
    ...persistence(info, config, owesWebhooks),
    ...failedWrites(info),
    ...replication(info, config),
  ].map((found) => ({ ...found, where: address }));
}

function persistence(
  info: ReadonlyMap<string, string>,
  config: ServerFacts["config"],
  owesWebhooks: boolean,
): Finding[] {
  const check = "persistence";
  // Without webhooks nothing in the store is owed to anybody.
  const bad = owesWebhooks ? "problem" : "warning";
  if (info.get("aof_enabled") === "1") {
    switch (config?.get("appendfsync")) {
      case "always":
        return [finding(check, "ok", "appendonly yes, appendfsync always: nothing is lost")];
      case "no":
        return [
          finding(
            check,
            "warning",
            `appendfsync no: a machine that loses its power loses about the last 30 s (${OWED}); set appendfsync everysec`,
          ),
        ];
      case "everysec":
        return [
          finding(
            check,
            "ok",
            "appendonly yes, appendfsync everysec: a machine that loses its power loses about the last second",
          ),
        ];
      default:
        return [
          finding(
            check,
            "ok",
            "appendonly yes; appendfsync could not be looked at: it should be everysec or always",
          ),
        ];
    }
  }
  const save = config?.get("save");
  if (save === "")
    return [
      finding(
        check,
        bad,
        `appendonly no, and no snapshots: a restart of the server loses all there is: ${OWED}; set appendonly yes. ${NODES_COME_BACK}`,
      ),
    ];
  const snapshots =
    save === undefined ? "snapshots, if any," : `snapshots (save ${shortened(save)})`;
  return [
    finding(
      check,
      save === undefined ? bad : "warning",
      `appendonly no: a restart of the server goes back to its last ${snapshots} and loses what came since: ${OWED}; ` +
        `webhooks from before are sent again. Set appendonly yes. ${NODES_COME_BACK}`,
    ),
  ];
}

/** `3600 1 300 100 60 10000` is three of them. */
function shortened(save: string): string {
  const words = save.split(" ");
  return words.length <= 2 * SHOWN_BY_SETTING
    ? save
    : `${words.slice(0, 2 * SHOWN_BY_SETTING).join(" ")} …`;
}

function failedWrites(info: ReadonlyMap<string, string>): Finding[] {
  const check = "disk";
  if (info.get("aof_enabled") === "1" && info.get("aof_last_write_status") === "err")
    return [
      finding(check, "problem", "the last write to the append-only file failed: is the disk full?"),
    ];
  if (info.get("rdb_last_bgsave_status") === "err")
    return [
      finding(
        check,
        "problem",
        "the last snapshot failed, after which Redis may refuse all writes: is the disk full, or memory short for a fork?",
      ),
    ];
  return [];
}

function replication(info: ReadonlyMap<string, string>, config: ServerFacts["config"]): Finding[] {
  const check = "replicas";
  if (info.get("role") !== "master") return [];
  const replicas = Number(info.get("connected_slaves") ?? 0);
  if (replicas === 0)
    return [
      finding(
        check,
        "warning",
        "none: while this server is away nothing works, and what is lost with its disk is lost",
      ),
    ];
  const wanted = config?.get("min-replicas-to-write");
  if (wanted === undefined)
    return [
      finding(
        check,
        "ok",
        `${replicas}; min-replicas-to-write could not be looked at: with 1, a primary that is cut off from all of them stops taking what would be lost`,
      ),
    ];
  if (wanted === "0")
    return [
      finding(
        check,
        "warning",
        `${replicas}, but min-replicas-to-write is 0: a primary that is cut off goes on taking events and webhooks, which are ` +
          "lost when a replica takes its place; set it to 1. (What had not reached the replica yet, of some milliseconds, a failover loses in any case.)",
      ),
    ];
  return [
    finding(
      check,
      "ok",
      `${replicas}, min-replicas-to-write ${wanted}: a failover loses the last milliseconds at most, and what min-replicas-max-lag allows`,
    ),
  ];
}
