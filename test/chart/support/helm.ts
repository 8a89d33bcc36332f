import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BUILT = join(
  process.env["RM_CLUSTER_CACHE"] ?? join(homedir(), ".cache", "ringmaster-cluster"),
  "bin",
  "helm",
);

export const CHART = join(ROOT, "deploy", "helm", "ringmaster");
const VALUES = join(ROOT, "deploy", "helm", "values");

/** Of deploy/helm/values, each a way to install it. */
export const VALUE_FILES = readdirSync(VALUES)
  .map((file) => file.replace(/\.yaml$/, ""))
  .toSorted();

/** What the chart is rendered for. */
export const KUBERNETES_VERSION = "1.34.4";

export interface HelmRun {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Undefined where there is a helm, or one can be built. */
export function whyNoHelm(): string | undefined {
  if (existsSync(BUILT) || isThere("helm") || isThere("go")) return undefined;
  return "there is neither helm, nor Go to build it with";
}

/** Runs helm, which is built first where there is none: that takes minutes, once for a machine. */
export function helm(...args: readonly string[]): HelmRun {
  const { status, stdout, stderr } = spawnSync(program(), args, { encoding: "utf8" });
  return { ok: status === 0, stdout, stderr };
}

export function isThere(command: string): boolean {
  return spawnSync(command, ["version"]).error === undefined;
}

export function valuesFile(name: string): string {
  return join(VALUES, `${name}.yaml`);
}

let found: string | undefined;

function program(): string {
  found ??= existsSync(BUILT) ? BUILT : isThere("helm") ? "helm" : built();
  return found;
}

function built(): string {
  const script = join(ROOT, "deploy", "cluster", "build");
  const { status } = spawnSync("bash", [script, "helm"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) throw new Error(`${script} helm failed; what it says is above.`);
  return BUILT;
}
