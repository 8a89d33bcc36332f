import type { DatabaseFacts } from "../../stores/sqlite/inspection.ts";
import { finding, type Finding } from "./finding.ts";

const MIB = 1_048_576;
const LITTLE_SPACE_BYTES = 1_024 * MIB;
const NO_SPACE_BYTES = 64 * MIB;

/** Judges what was seen of the embedded store. Nothing is looked at here. */
export function databaseFindings(
  facts: DatabaseFacts,
  expected: { readonly durability: "process" | "power"; readonly owesWebhooks: boolean },
): Finding[] {
  return [file(facts, expected), place(facts), space(facts), durability(expected)];
}

function file(
  { file: path, exists, bytes, fault, isWritable }: DatabaseFacts,
  { owesWebhooks }: { readonly owesWebhooks: boolean },
): Finding {
  const check = "database";
  // Then memory takes its place.
  const bad = owesWebhooks ? "problem" : "warning";
  if (fault !== undefined) return finding(check, bad, fault);
  if (!isWritable)
    return finding(
      check,
      bad,
      `${path} cannot be written: what webhooks are owed has no place; give a database.file or dataDir that can`,
    );
  if (!exists) return finding(check, "ok", `${path} is not there yet: the first start makes it`);
  return finding(check, "ok", `${path} can be read and written, ${Math.ceil(bytes / MIB)} MiB`);
}

function place({ fileSystem }: DatabaseFacts): Finding {
  const check = "place";
  switch (fileSystem) {
    case "network":
      return finding(
        check,
        "problem",
        "the file is on a file system of the network, where locks do not hold well enough: it can be damaged; put it on a local disk",
      );
    case "memory":
      return finding(
        check,
        "warning",
        "the file is in memory (tmpfs): when the machine ends, so do events, queued webhooks and dead letters; put it on a disk",
      );
    case "container-layer":
      return finding(
        check,
        "warning",
        "the file is in the container itself: with it go events, queued webhooks and dead letters; mount a volume for dataDir",
      );
    case "other":
      return finding(check, "ok", "on a local disk");
  }
}

function space({ freeBytes }: DatabaseFacts): Finding {
  const check = "space";
  const told = `${Math.floor(freeBytes / MIB)} MiB are free`;
  if (freeBytes < NO_SPACE_BYTES)
    return finding(
      check,
      "problem",
      `${told}: on a full disk nothing can be recorded, and what waits in memory is lost with the process; make room`,
    );
  if (freeBytes < LITTLE_SPACE_BYTES)
    return finding(
      check,
      "warning",
      `${told}: about ${Math.floor(freeBytes / 700)} webhooks; make room`,
    );
  return finding(check, "ok", told);
}

function durability({ durability: chosen }: { readonly durability: "process" | "power" }): Finding {
  return finding(
    "durability",
    "ok",
    chosen === "power"
      ? "power: what was committed survives the end of the process and of the machine"
      : "process: what was committed survives the end of the process; when the machine loses its power, the last moments may be missing",
  );
}
