import { fileFields } from "./app-entry.ts";
import type { ConfigDocument } from "./document.ts";
import { isMapping, type Path, patternOf, valueAt } from "./path.ts";

const SECRETS: ReadonlySet<string> = new Set(
  fileFields.flatMap(({ kind, path }) => (kind === "secret" ? [path] : [])),
);
const MAPPINGS_OF_SECRETS: ReadonlySet<string> = new Set(
  fileFields.flatMap(({ kind, path }) => (kind === "secrets" ? [path] : [])),
);

/** The variables in which a file says that secrets are. */
export function variablesNamedIn(document: ConfigDocument): ReadonlySet<string> {
  const named = new Set<string>();
  visit(document.tree, []);
  return named;

  function visit(value: unknown, path: Path): void {
    if (typeof value !== "object" || value === null) return;
    const isSecret =
      SECRETS.has(patternOf(path)) || MAPPINGS_OF_SECRETS.has(patternOf(path.slice(0, -1)));
    const name = isSecret ? valueAt(value, ["env"]) : undefined;
    if (typeof name === "string") named.add(name);
    if (isSecret) return;
    if (Array.isArray(value)) {
      for (const [index, entry] of value.entries()) visit(entry, [...path, index]);
    } else if (isMapping(value)) {
      for (const [key, child] of Object.entries(value)) visit(child, [...path, key]);
    }
  }
}
