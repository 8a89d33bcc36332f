import { rm } from "node:fs/promises";

/** The server under test has this core to itself; the load generator and this program share the other. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

const NICENESS = -10;
const STDERR_KEPT_CHARACTERS = 4_000;

export interface ChildOptions {
  readonly core: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const running = new Set<Child>();
const leftovers = new Set<() => Promise<void>>();
let endedCpuUs = 0;

/** A process that this program started, pinned to a core. It is stopped whatever way the program ends. */
export class Child {
  readonly pid: number;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #lines: string[] = [];
  #partialLine = "";
  #stderr = "";
  #wake: (() => void) | null = null;
  #ended = false;

  constructor(command: readonly string[], options: ChildOptions) {
    this.#process = Bun.spawn([...launcher(options.core), ...command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: options.env ?? process.env,
    });
    this.pid = this.#process.pid;
    running.add(this);
    void this.#readStdout();
    void this.#readStderr();
    void this.#process.exited.then(() => {
      running.delete(this);
      endedCpuUs += Number(this.#process.resourceUsage()?.cpuTime.total ?? 0);
      this.#ended = true;
      this.#wake?.();
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The last of what it said on stderr, and its exit code if it has one: for a row that has no figure. */
  get lastWords(): string {
    const code = this.#process.exitCode ?? this.#process.signalCode;
    const exit = code === null ? "" : `exit ${code}: `;
    return `${exit}${(this.#stderr + this.#partialLine + this.#lines.join(" ")).trim() || "it said nothing"}`;
  }

  write(line: string): void {
    this.#process.stdin.write(`${line}\n`);
    this.#process.stdin.flush();
  }

  /** The next line of its stdout; null when there will be none. */
  async nextLine(): Promise<string | null> {
    while (this.#lines.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#lines.shift() ?? null;
  }

  /** Killed outright: nothing that a contestant holds is worth a drain. */
  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  async #readStdout(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) {
      const lines = (this.#partialLine + decoder.decode(chunk, { stream: true })).split("\n");
      this.#partialLine = lines.pop() ?? "";
      this.#lines.push(...lines);
      if (this.#lines.length > 1_000) this.#lines.splice(0, 500);
      this.#wake?.();
    }
  }

  async #readStderr(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stderr) {
      this.#stderr = (this.#stderr + decoder.decode(chunk, { stream: true })).slice(
        -STDERR_KEPT_CHARACTERS,
      );
    }
  }
}

/**
 * Pinned, ahead of other programs where that is permitted, and killed by the kernel should this program be killed itself.
 * Each step replaces the one before, so the process id is the command's own.
 */
function launcher(core: number): string[] {
  // A session of its own: where the kernel groups by session, niceness counts within a group only and the group has one.
  const raiseSession = `{ echo ${NICENESS} >/proc/self/autogroup; } 2>/dev/null; exec "$@"`;
  const session = ["setsid", "sh", "-c", raiseSession, "sh"];
  const process = ["setpriv", "--pdeathsig", "KILL", "nice", "-n", String(NICENESS)];
  return [...session, ...process, "taskset", "-c", String(core)];
}

/** A directory to delete when the program ends. */
export function removeAtEnd(directory: string): void {
  atEnd(() => rm(directory, { recursive: true, force: true }));
}

/** Work for when the program ends, and all children have. */
export function atEnd(work: () => Promise<void>): void {
  leftovers.add(work);
}

export function killAll(): void {
  for (const child of running) child.kill();
}

export async function cleanUp(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
  await Promise.all([...leftovers].map((work) => work()));
  leftovers.clear();
}

/** CPU time of all children that have ended, for telling our own work from other programs' on the machine. */
export function endedChildrenCpuUs(): number {
  return endedCpuUs;
}
