/**
 * One thing wrong with the configuration.
 *
 * Invariant: no value is ever quoted in any of these texts, for any value may be a misplaced secret, and so may a field
 * name that we do not know. They hold our own field names and sentences, names of files and variables, and positions.
 */
export interface ConfigProblem {
  /** The field, `apps[0].keys[1].secret`; or a file or variable where it is not about a field. */
  readonly path: string;
  /** What is wrong; what would be right. */
  readonly message: string;
  /** Where the value came from: `ringmaster.yaml:12:5`, `RINGMASTER_PORT`, `--port`; null when it came from nowhere. */
  readonly source: string | null;
}

/** Thrown with everything that is wrong at once; the message has one line for each problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];
  /** What was read on the way and a digest of it: a change in one of them is a reason to try again. */
  readonly files: ReadonlyMap<string, string>;

  constructor(problems: readonly ConfigProblem[], files: ReadonlyMap<string, string> = new Map()) {
    super(problems.map(lineOf).join("\n"));
    this.problems = problems;
    this.files = files;
  }
}

function lineOf({ path, message, source }: ConfigProblem): string {
  return `${path}: ${message}${source === null || source === path ? "" : ` (${source})`}`;
}

/** Gathers problems while a configuration is read, so that all of them can be told at once. */
export class ProblemList {
  readonly #problems: ConfigProblem[] = [];

  /** Says nothing twice: an empty list in the place of a text is no text, and too short as well. */
  add(path: string, message: string, source: string | null): void {
    const isSaid = this.#problems.some(
      (said) => said.path === path && said.message === message && said.source === source,
    );
    if (!isSaid) this.#problems.push({ path, message, source });
  }

  addAll(problems: readonly ConfigProblem[]): void {
    this.#problems.push(...problems);
  }

  /** Whether something is wrong with the field itself, with what is around it or with what is inside it. */
  isAbout(field: string): boolean {
    return this.#problems.some(
      ({ path }) => field === path || inside(field, path) || inside(path, field),
    );
  }

  throwIfAny(files: ReadonlyMap<string, string>): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems, files);
  }
}

function inside(path: string, section: string): boolean {
  return path.startsWith(`${section}.`) || path.startsWith(`${section}[`);
}
