import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { CHART, helm, KUBERNETES_VERSION } from "./helm.ts";

/** What helm tells after an installation. `helm template` leaves it out, so in a copy of the chart it is an object. */
export function notesOf(values: object): string {
  const folder = mkdtempSync(join(tmpdir(), "ringmaster-notes-"));
  try {
    const chart = join(folder, "ringmaster");
    cpSync(CHART, chart, { recursive: true });
    const notes = readFileSync(join(chart, "templates", "NOTES.txt"), "utf8");
    writeFileSync(
      join(chart, "templates", "notes.yaml"),
      `{{ define "the.notes" }}${notes}{{ end }}\nnotes: {{ include "the.notes" . | toJson }}\n`,
    );
    writeFileSync(join(folder, "values.yaml"), stringify(values));
    const { ok, stdout, stderr } = helm(
      "template",
      "rm",
      chart,
      "--kube-version",
      KUBERNETES_VERSION,
      "--namespace",
      "realtime",
      "--values",
      join(folder, "values.yaml"),
      "--show-only",
      "templates/notes.yaml",
    );
    if (!ok) throw new Error(stderr);
    return (parse(stdout) as { notes: string }).notes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
