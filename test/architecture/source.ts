import { Glob } from "bun";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const SRC = join(dirname(fileURLToPath(import.meta.url)), "../../src");

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** A file of ours, from `src`; undefined for a package or a part of the runtime. */
  readonly file: string | undefined;
  /** `import type`, which costs nothing when the program runs, but ties two files together all the same. */
  readonly isTypeOnly: boolean;
}

export interface SourceFile {
  /** From `src`, as `channels/node.ts`. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** Comments, strings and templates: the strings are matched so that what looks like a comment in one stays. */
const COMMENT_OR_STRING =
  /\/\*[^]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`/g;
const STATEMENT = /\b(?:import|export)\s+(type\s+)?(?:[\w*\s{},$]+?\s+from\s+)?"([^"]+)"/g;
const DYNAMIC = /\bimport\(\s*"([^"]+)"/g;

export function withoutComments(source: string): string {
  return source.replaceAll(COMMENT_OR_STRING, (found) => (found.startsWith("/") ? "" : found));
}

export function importsOf(path: string, code: string): Import[] {
  const statements = [...code.matchAll(STATEMENT)].map(([, type, specifier]) => ({
    specifier: specifier!,
    isTypeOnly: type !== undefined,
  }));
  const dynamic = [...code.matchAll(DYNAMIC)].map(([, specifier]) => ({
    specifier: specifier!,
    isTypeOnly: false,
  }));
  return [...statements, ...dynamic].map((found) => ({
    ...found,
    file: found.specifier.startsWith(".")
      ? normalize(join(dirname(path), found.specifier))
      : undefined,
  }));
}

export async function sourceFiles(): Promise<SourceFile[]> {
  const paths = [...new Glob("**/*.ts").scanSync(SRC)].toSorted();
  return Promise.all(
    paths.map(async (path) => {
      const code = withoutComments(await Bun.file(join(SRC, path)).text());
      return { path, code, imports: importsOf(path, code) };
    }),
  );
}

/** A way from a file back to itself, or undefined where there is none. */
export function findCycle(
  files: readonly Pick<SourceFile, "path" | "imports">[],
): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const way: string[] = [];

  function visit(path: string): string[] | undefined {
    if (finished.has(path)) return undefined;
    const at = way.indexOf(path);
    if (at !== -1) return [...way.slice(at), path];
    way.push(path);
    for (const { file } of byPath.get(path)?.imports ?? []) {
      const cycle = file === undefined ? undefined : visit(file);
      if (cycle !== undefined) return cycle;
    }
    way.pop();
    finished.add(path);
    return undefined;
  }

  for (const { path } of files) {
    const cycle = visit(path);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
