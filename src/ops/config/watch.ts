import { isDeepStrictEqual } from "node:util";
import type { App } from "../../protocol/app.ts";
import { contradictions } from "./contradictions.ts";
import { digestOnDisk } from "./file-reads.ts";
import { type FileStamp, stampOf } from "./file-stamp.ts";
import type { LoadedConfig } from "./load.ts";
import { valueAt } from "./path.ts";
import { ConfigError } from "./problem.ts";
import type { SenderTls } from "./sender-tls.ts";
import { settingsFields } from "./settings.ts";
import type { TlsMaterial } from "./tls-material.ts";

/** What a `ConfigWatcher` tells. Each is called only when there is something to tell. */
export interface ConfigChanges {
  /** Others than before, and right: put them into force. */
  apps(apps: readonly App[]): void;
  /** The content of the certificate files changed, and the key fits the certificate. */
  tls(material: TlsMaterial): void;
  /** Fields whose value in the file or its surroundings is no longer the running one; empty when they agree again. */
  restartNeeded(fields: readonly string[]): void;
  /** What is there now is wrong, and changes nothing. Told once for each content, and for every `reload()`. */
  refused(error: ConfigError): void;
  /** After a refusal, what is there now is right again, whether or not it differs from what is in force. */
  recovered(): void;
  /** A look of the timer failed for another reason: one of these functions threw, or there is a defect. It goes on. */
  failed(error: unknown): void;
}

export interface WatchOptions {
  /** Reads the configuration again, from the same inputs as at the start. */
  readonly load: () => Promise<LoadedConfig>;
  readonly changes: ConfigChanges;
  readonly intervalMs?: number;
  /** Of a file system with a clock of its own; by default that of the system. */
  readonly stampOf?: (path: string) => Promise<FileStamp>;
}

/**
 * Puts changes of the configuration into force while the process runs.
 *
 * It looks at the files instead of being told by the system: neither an editor, which puts a new file in the place of the
 * old one, nor Kubernetes, which turns a symbolic link above the file, can be followed reliably by watching.
 *
 * Invariants:
 * - What was last found right stays in force until something else is found right.
 * - Apps come into force only if they do not contradict the settings that the process *runs* with, for those of the file
 *   wait for a restart.
 * - Looks never overlap, and after `close` nothing is told.
 */
export class ConfigWatcher {
  readonly #started: LoadedConfig;
  readonly #load: () => Promise<LoadedConfig>;
  readonly #changes: ConfigChanges;
  readonly #intervalMs: number;
  readonly #stampOf: (path: string) => Promise<FileStamp>;

  #apps: readonly App[];
  #tls: TlsMaterial | null;
  #restartNeeded: readonly string[] = [];
  #refused = false;
  /** Of the last load, right or wrong: file → digest. */
  #digests: ReadonlyMap<string, string>;
  /** Spares reading a file whose stamp has not changed since its digest was last compared. */
  readonly #stamps = new Map<string, string>();

  #queue: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(started: LoadedConfig, options: WatchOptions) {
    this.#started = started;
    this.#load = options.load;
    this.#changes = options.changes;
    this.#intervalMs = options.intervalMs ?? 1_000;
    this.#stampOf = options.stampOf ?? stampOf;
    this.#apps = started.apps;
    this.#tls = started.tls;
    this.#digests = started.files;
  }

  /** Begins to look at the files at the interval. The timer keeps no process alive. */
  start(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(async () => {
      try {
        await this.poll();
      } catch (error) {
        this.#changes.failed(error);
      }
      this.#timer = undefined;
      this.start();
    }, this.#intervalMs);
    this.#timer.unref();
  }

  /** Looks at the files once; loads only if the content of one has changed. What they hold is never a reason to reject. */
  async poll(): Promise<void> {
    await this.#enqueue(async () => {
      if (await this.#anyFileChanged()) await this.#reload();
    });
  }

  /** Loads now, whether something changed or not: for SIGHUP. */
  async reload(): Promise<void> {
    await this.#enqueue(() => this.#reload());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #enqueue(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(async () => {
      if (!this.#closed) await work();
    });
    this.#queue = turn.catch(() => {});
    await turn;
  }

  async #anyFileChanged(): Promise<boolean> {
    for (const [path, digest] of this.#digests) {
      // Taken before the content is read: a change in between shows in the next stamp.
      const { text, isSettled } = await this.#stampOf(path);
      if (text === this.#stamps.get(path)) continue;
      if ((await digestOnDisk(path)) !== digest) return true;
      if (isSettled) this.#stamps.set(path, text);
    }
    return false;
  }

  async #reload(): Promise<void> {
    this.#stamps.clear();
    let next: LoadedConfig;
    try {
      next = await this.#load();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#digests = error.files;
      this.#refuse(error);
      return;
    }
    this.#digests = next.files;
    if (this.#closed) return;
    const conflicts = this.#conflictsWithRunning(next.apps);
    if (conflicts === null) {
      this.#recover();
      this.#takeApps(next.apps);
    } else {
      this.#refuse(conflicts);
    }
    this.#takeTls(next);
    this.#compareSettings(next);
  }

  #refuse(error: ConfigError): void {
    if (this.#closed) return;
    this.#refused = true;
    this.#changes.refused(error);
  }

  #recover(): void {
    if (!this.#refused) return;
    this.#refused = false;
    this.#changes.recovered();
  }

  #conflictsWithRunning(apps: readonly App[]): ConfigError | null {
    const limited = apps.map(({ limits }, index) => ({ path: `apps[${index}]`, limits }));
    const conflicts = contradictions(this.#started.settings, limited);
    if (conflicts.length === 0) return null;
    return new ConfigError(
      conflicts.map(({ path, message }) => ({
        path,
        message: `${message}; this process still has the value it started with, so restart it if the file is right`,
        source: null,
      })),
    );
  }

  #takeApps(apps: readonly App[]): void {
    if (isDeepStrictEqual(apps, this.#apps)) return;
    this.#apps = apps;
    this.#changes.apps(apps);
  }

  /** Other paths wait for a restart, and their content with them. */
  #takeTls({ tls, settings }: LoadedConfig): void {
    if (
      tls === null ||
      this.#tls === null ||
      !isDeepStrictEqual(settings.tls, this.#started.settings.tls)
    )
      return;
    if (isDeepStrictEqual(tls, this.#tls)) return;
    this.#tls = tls;
    this.#changes.tls(tls);
  }

  #compareSettings({ settings, senderTls }: LoadedConfig): void {
    const started = this.#started;
    const differing = settingsFields
      .map(({ path }) => path)
      .filter(
        (path) =>
          !isDeepStrictEqual(
            valueAt(settings, path.split(".")),
            valueAt(started.settings, path.split(".")),
          ) || contentOf(path, senderTls) !== contentOf(path, started.senderTls),
      );
    if (isDeepStrictEqual(differing, this.#restartNeeded)) return;
    this.#restartNeeded = differing;
    this.#changes.restartNeeded(differing);
  }
}

/** What the file holds that a setting names, where that waits for a restart too. */
function contentOf(path: string, { ca, cert, key }: SenderTls): string | null {
  if (path === "sender.caFile") return ca;
  if (path === "sender.certFile") return cert;
  return path === "sender.keyFile" ? key : null;
}
