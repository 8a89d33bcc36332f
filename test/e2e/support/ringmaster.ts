import { spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { createInterface } from "node:readline";
import type { AppEntry } from "./apps.ts";
import { Inbox } from "./inbox.ts";
import { Scrape } from "./metrics.ts";
import { DEADLINE_MS, within } from "./wait.ts";

/** The tests are run from the repository's root: what runs is not where the sources are. */
export const ROOT = process.cwd();
export const BUN = join(
  dirname(createRequire(join(ROOT, "package.json")).resolve("bun/package.json")),
  "bin",
  "bun.exe",
);

/** Stops within a tick: most tests are not about stopping. */
const QUICK_DRAIN = {
  "--drain-notice-ms": "0",
  "--drain-window-ms": "0",
  "--drain-deadline-ms": "5000",
};

export interface Configuration {
  readonly apps?: readonly AppEntry[];
  readonly [setting: string]: unknown;
}

export interface RingmasterOptions {
  /** Written to a file. A string is written as it is. */
  readonly config?: Configuration | string;
  readonly flags?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Started by this, for example a shell that sets limits; the server's own command line is appended. */
  readonly launcher?: readonly string[];
  /** Where default-app.json goes; a folder of its own otherwise. */
  readonly dataDir?: string;
  /** Whose sources are run: the repository's own otherwise. */
  readonly tree?: string;
  /** Gives no flags for the ports: they stand in `env`. */
  readonly portsFromEnvironment?: boolean;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly atMs: number;
}

/** A server under test: a process of its own, as an operator starts it. */
export class Ringmaster {
  readonly exited: Promise<Exit>;
  readonly log = new Inbox<LogLine>();
  /** Lines of standard output that are no JSON: there should be none. */
  readonly otherOutput: string[] = [];
  readonly folder: string;
  readonly configFile: string;
  stderr = "";
  port = 0;
  tlsPort = 0;
  opsPort = 0;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  #hasExited = false;
  #wasKilled = false;

  private constructor(options: RingmasterOptions) {
    this.folder = mkdtempSync(join(tmpdir(), "ringmaster-e2e-"));
    folders.add(this.folder);
    this.configFile = join(this.folder, "ringmaster.json");
    const flags: Record<string, string> = {
      ...(options.portsFromEnvironment === true ? {} : { "--port": "0", "--ops-port": "0" }),
      "--data-dir": options.dataDir ?? join(this.folder, "data"),
      ...QUICK_DRAIN,
      ...options.flags,
    };
    if (options.config !== undefined) {
      this.configure(options.config);
      flags["--config"] = this.configFile;
    }
    const args = Object.entries(flags).flatMap(([flag, value]) => [flag, value]);
    const [command, ...rest] = [
      ...(options.launcher ?? []),
      BUN,
      join(options.tree ?? ROOT, "src/cli/ringmaster.ts"),
      "serve",
      ...args,
    ];
    this.#child = spawn(command!, rest, {
      cwd: this.folder,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.folder, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this.#child.pid!);
    this.exited = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      // "close" comes after the last output, "exit" may come before it.
      this.#child.once("close", (code, signal) => {
        this.#hasExited = true;
        running.delete(this.#child.pid!);
        resolve({ code, signal, atMs: performance.now() });
      });
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      try {
        this.log.push(JSON.parse(line) as LogLine);
      } catch {
        this.otherOutput.push(line);
      }
    });
  }

  /** Resolves when the server says that it is ready. */
  static async start(options: RingmasterOptions = {}): Promise<Ringmaster> {
    const server = Ringmaster.launch(options);
    const died = server.exited.then(({ code }) => {
      throw new Error(
        `the server ended with ${code} before it was ready:\n${server.stderr}${JSON.stringify(server.log.all)}`,
      );
    });
    try {
      const line = await Promise.race([server.logged("ready"), died]);
      server.port = Number(line["port"]);
      server.tlsPort = Number(line["tlsPort"]);
      server.opsPort = Number(line["opsPort"]);
      return server;
    } catch (error) {
      server.signal("SIGKILL");
      throw error;
    }
  }

  /** Starts it without expecting it to become ready. */
  static launch(options: RingmasterOptions): Ringmaster {
    return new Ringmaster(options);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  logged(msg: string, ms = DEADLINE_MS): Promise<LogLine> {
    return this.log.take(`log line "${msg}"`, (line) => line.msg === msg, ms);
  }

  /** Puts another file in the place of the configuration, as an editor does. The server looks by itself. */
  configure(config: Configuration | string): void {
    const draft = `${this.configFile}.new`;
    writeFileSync(draft, typeof config === "string" ? config : JSON.stringify(config, null, 2));
    renameSync(draft, this.configFile);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasExited) process.kill(this.pid, signal);
  }

  /** Ends it at this instant, as the system does when memory is short: it gets to do nothing more. */
  async kill(): Promise<void> {
    this.#wasKilled = true;
    this.signal("SIGKILL");
    await within("the server is gone", this.exited);
  }

  /**
   * Ends it as a supervisor does and checks that it went well: exit code 0, and nothing in the log that is an error
   * unless the test says that it is meant to be there. Does nothing to one that was killed.
   */
  async stop({
    expectedErrors = [],
  }: { readonly expectedErrors?: readonly string[] } = {}): Promise<void> {
    if (this.#wasKilled) return;
    try {
      this.signal("SIGTERM");
      const { code, signal } = await within("the server ends after SIGTERM", this.exited);
      const errors = this.log.all.filter(
        ({ level, msg }) => /error|fatal/.test(level) && !expectedErrors.includes(msg),
      );
      if (errors.length > 0) throw new Error(`the server logged errors: ${JSON.stringify(errors)}`);
      if (code !== 0) throw new Error(`the server ended with ${code ?? signal}: ${this.stderr}`);
    } finally {
      this.signal("SIGKILL");
    }
  }

  async metrics(): Promise<Scrape> {
    const response = await this.ops("/metrics");
    return new Scrape(await response.text());
  }

  ops(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.opsPort}${path}`);
  }
}

const running = new Set<number>();
const folders = new Set<string>();

// A test file must leave no server behind, nor what servers wrote, even when it is cut off.
process.on("exit", () => {
  for (const pid of running) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended between the look and the signal.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
