import { fieldByPath, fileFields } from "./app-entry.ts";
import type { ConfigDocument } from "./document.ts";
import { settingsIn } from "./field.ts";
import { formatPath, isMapping, type Path, patternOf } from "./path.ts";
import type { ProblemList } from "./problem.ts";
import { nearest } from "./suggestion.ts";

/**
 * Refuses every field of a file that is no setting, at any depth.
 *
 * A name that is near no setting is not shown: in `{secret:abc}`, where a space is missing, the name is the secret. The
 * position tells where it is.
 */
export function refuseUnknownFields(document: ConfigDocument, problems: ProblemList): void {
  // A file may list thousands of apps, all with the same sections.
  const knownBySection = new Map<string, readonly string[]>();
  visit(document.tree, []);

  function visit(value: unknown, path: Path): void {
    const pattern = patternOf(path);
    if (fieldByPath.has(pattern)) return;
    if (Array.isArray(value)) {
      for (const [index, entry] of value.entries()) visit(entry, [...path, index]);
    } else if (isMapping(value)) {
      const known = knownBySection.get(pattern) ?? settingsIn(pattern, fileFields);
      knownBySection.set(pattern, known);
      // No place for a mapping at all, which is told elsewhere.
      if (known.length === 0) return;
      for (const [name, child] of Object.entries(value)) {
        if (known.includes(name)) visit(child, [...path, name]);
        else refuse(name, path, known);
      }
    }
  }

  function refuse(name: string, path: Path, known: readonly string[]): void {
    const source = document.positionOf([...path, name]);
    const meant = nearest(name, known) ?? settingElsewhere(name);
    if (meant === undefined) {
      const section = path.length === 0 ? "the top level" : formatPath(path);
      problems.add(
        section,
        `has a field that is no setting; the settings here are ${known.join(", ")}`,
        source,
      );
    } else {
      problems.add(formatPath([...path, name]), `is no setting; did you mean ${meant}?`, source);
    }
  }
}

/** `windowMs` at the top level is meant to stand in `drain`. */
function settingElsewhere(name: string): string | undefined {
  return fileFields.find(({ path }) => path.split(".").at(-1) === name)?.path;
}
