import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ENTRY = join(import.meta.dir, "../../support/cli-entry.ts");
const PATIENCE_MS = 60_000;
/** For the tests that run commands: a busy machine starts processes slowly, and our own patience tells more. */
export const RUN_TIMEOUT_MS = 2 * PATIENCE_MS;

export interface CliRunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs; without it, in an empty folder. */
  readonly folder?: string;
  readonly input?: string;
}

export interface CliOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command as a person runs it: a process of its own, with no more in its environment than the test says. */
export class CliRun implements AsyncDisposable {
  readonly #process: Bun.Subprocess<Blob, "pipe", "pipe">;
  readonly #emptyFolder: string | undefined;
  readonly stdout: LineReader;
  readonly stderr: LineReader;

  constructor(words: readonly string[], { env = {}, folder, input = "" }: CliRunOptions = {}) {
    this.#emptyFolder =
      folder === undefined ? mkdtempSync(join(tmpdir(), "ringmaster-cli-")) : undefined;
    const cwd = folder ?? this.#emptyFolder;
    this.#process = Bun.spawn([process.execPath, ENTRY, ...words], {
      ...(cwd === undefined ? {} : { cwd }),
      env,
      stdin: new Blob([input]),
      stdout: "pipe",
      stderr: "pipe",
    });
    this.stdout = new LineReader("stdout", this.#process.stdout);
    this.stderr = new LineReader("stderr", this.#process.stderr);
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Resolves when the process has ended and all of its output was read. */
  async outcome(): Promise<CliOutcome> {
    const [code, stdout, stderr] = await Promise.all([
      this.#process.exited,
      this.stdout.rest(),
      this.stderr.rest(),
    ]);
    return { code, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    if (this.#emptyFolder !== undefined) rmSync(this.#emptyFolder, { recursive: true });
  }
}

/** Runs a command to its end. */
export async function runCli(
  words: readonly string[],
  options: CliRunOptions = {},
): Promise<CliOutcome> {
  await using run = new CliRun(words, options);
  return await run.outcome();
}

/** Keeps all that comes, and lets a test wait for a line of it. */
class LineReader {
  readonly #name: string;
  readonly #done: Promise<void>;
  #text = "";
  #readTo = 0;
  #isOver = false;
  #arrived = Promise.withResolvers<void>();

  constructor(name: string, stream: ReadableStream<Uint8Array>) {
    this.#name = name;
    this.#done = this.#read(stream);
  }

  /** The next line that the condition holds for; the lines before it are skipped. */
  async line(holds: (line: string) => boolean): Promise<string> {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const aborted = new Promise<void>((resolve) => {
      patience.addEventListener("abort", () => resolve());
    });
    for (;;) {
      const end = this.#text.indexOf("\n", this.#readTo);
      if (end !== -1) {
        const line = this.#text.slice(this.#readTo, end);
        this.#readTo = end + 1;
        if (holds(line)) return line;
      } else if (this.#isOver || patience.aborted) {
        throw new Error(`No such line came on ${this.#name}. All that came:\n${this.#text}`);
      } else {
        await Promise.race([this.#arrived.promise, aborted]);
      }
    }
  }

  async rest(): Promise<string> {
    await this.#done;
    return this.#text;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    }
    this.#isOver = true;
    this.#arrived.resolve();
  }
}
