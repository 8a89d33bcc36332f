import { dirname, extname, resolve } from "node:path";
import type { App } from "../../protocol/app.ts";
import { PUSHER_LIMITS } from "../../protocol/limits.ts";
import { readAppList } from "./app-list.ts";
import { contradictions, type LimitedApp } from "./contradictions.ts";
import { type DefaultApp, loadDefaultApp } from "./default-app.ts";
import { ConfigDocument } from "./document.ts";
import {
  APP_ID_VARIABLE,
  APP_KEY_VARIABLE,
  APP_VARIABLES,
  APP_WEBHOOK_URL_VARIABLE,
  CONFIG_VARIABLE,
  type Environment,
  unknownVariables,
} from "./environment.ts";
import { FileReads, readFailure } from "./file-reads.ts";
import { variablesNamedIn } from "./named-variables.ts";
import type { PemProblem } from "./pem.ts";
import { ConfigError, ProblemList } from "./problem.ts";
import { readRedis, type RedisConfig } from "./redis-config.ts";
import type { SecretOrigin } from "./secret.ts";
import { readSenderTls, type SenderTls } from "./sender-tls.ts";
import type { Settings } from "./settings.ts";
import { readSettings, type ValueSource } from "./settings-reading.ts";
import { readTls, type TlsMaterial } from "./tls-material.ts";
import { refuseUnknownFields } from "./unknown-field.ts";

/** Where a configuration comes from. */
export interface ConfigInputs {
  /** The file that `--config` names; without it `RINGMASTER_CONFIG` may name one. */
  readonly file?: string | undefined;
  readonly env: Environment;
  /** The texts of the flags that were given, by field: `{ "drain.windowMs": "1000" }`. */
  readonly flags?: Readonly<Record<string, string>>;
  /** What relative paths count from, unless the file names them: those count from the file's folder. */
  readonly folder?: string;
  /** Whether credentials are made for a default app that has none; false only looks, and shows a placeholder. */
  readonly createDefaultApp?: boolean;
}

/** A configuration that has been found right. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly apps: readonly App[];
  /** Read and checked, so that the listener need not read the files again. Null without a TLS listener. */
  readonly tls: TlsMaterial | null;
  readonly senderTls: SenderTls;
  /** The store that many processes share; null for the embedded one. */
  readonly redis: RedisConfig | null;
  /** The file it came from, absolute. */
  readonly file: string | null;
  /** By path, `drain.windowMs` and `apps[0].limits.eventBytes`. What is not in here is a default. */
  readonly sources: ReadonlyMap<string, ValueSource>;
  /** By path: `apps[0].keys[0].secret`, `apps[0].webhooks[0].headers.authorization`, `ops.adminToken`. */
  readonly secretOrigins: ReadonlyMap<string, SecretOrigin>;
  /** The app that is there because the file lists none. */
  readonly defaultApp: DefaultApp | null;
  /** Every file that was read, with a digest: what a watcher compares the disk with. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Reads the whole configuration: flags before environment before file before defaults.
 *
 * Throws `ConfigError`, with everything that is wrong at once, and nothing else. Nothing is written unless all is right.
 */
export async function loadConfig(inputs: ConfigInputs): Promise<LoadedConfig> {
  return await new Loading(inputs).load();
}

class Loading {
  readonly #inputs: ConfigInputs;
  readonly #folder: string;
  readonly #reads = new FileReads();
  readonly #problems = new ProblemList();
  readonly #sources = new Map<string, ValueSource>();
  readonly #secretOrigins = new Map<string, SecretOrigin>();
  #file: string | null = null;
  #document = ConfigDocument.empty();

  constructor(inputs: ConfigInputs) {
    this.#inputs = inputs;
    this.#folder = inputs.folder ?? process.cwd();
  }

  async load(): Promise<LoadedConfig> {
    const { env, createDefaultApp: create = true } = this.#inputs;
    const readable = await this.#readFile();
    if (readable) {
      refuseUnknownFields(this.#document, this.#problems);
      this.#refuseVariables();
    }
    const settings = await this.#settings();
    const listed = await this.#listedApps(readable);
    this.#refuseContradictions(
      settings,
      listed?.limited ?? [{ path: "the default app", limits: PUSHER_LIMITS }],
    );
    const tls = await this.#tls(settings.tls);
    const senderTls = await this.#senderTls(settings.sender);
    const redis = await this.#redis(settings.redis);
    this.#problems.throwIfAny(this.#reads.digests);

    const defaultApp =
      listed === null ? await loadDefaultApp(env, settings.dataDir, create, this.#problems) : null;
    this.#problems.throwIfAny(this.#reads.digests);
    if (defaultApp !== null) this.#noteDefaultApp(defaultApp);
    return {
      settings,
      apps: defaultApp === null ? (listed?.apps ?? []) : [defaultApp.app],
      tls,
      senderTls,
      redis,
      file: this.#file,
      sources: this.#sources,
      secretOrigins: this.#secretOrigins,
      defaultApp,
      files: this.#reads.digests,
    };
  }

  /** False when there is a file but it cannot be understood. */
  async #readFile(): Promise<boolean> {
    const name = this.#inputs.file ?? this.#inputs.env[CONFIG_VARIABLE];
    if (name === undefined) return true;
    const source = this.#inputs.file === undefined ? CONFIG_VARIABLE : "--config";
    if (![".yaml", ".yml", ".json"].includes(extname(name))) {
      this.#problems.add(
        source,
        "names no configuration file; give one that ends in .yaml, .yml or .json",
        null,
      );
      return false;
    }
    this.#file = resolve(this.#folder, name);
    let content: Buffer;
    try {
      content = await this.#reads.read(this.#file);
    } catch (error) {
      this.#problems.add(
        name,
        `cannot be read (${readFailure(error)}); give a file that can`,
        source,
      );
      return false;
    }
    return this.#parse(name, content);
  }

  #parse(name: string, content: Buffer): boolean {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(content);
    } catch {
      this.#problems.add(name, "is not written in UTF-8; save it as UTF-8", null);
      return false;
    }
    try {
      this.#document = ConfigDocument.parse(name, text);
      return true;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#problems.addAll(error.problems);
      return false;
    }
  }

  #refuseVariables(): void {
    const { env } = this.#inputs;
    const named = variablesNamedIn(this.#document);
    this.#problems.addAll(unknownVariables(env, named));
    if (!Object.hasOwn(this.#document.tree, "apps")) return;
    for (const name of APP_VARIABLES) {
      if (env[name] === undefined || named.has(name)) continue;
      this.#problems.add(
        name,
        "is for the default app, but the file lists apps; unset it, or take apps out of the file",
        null,
      );
    }
  }

  async #settings(): Promise<Settings> {
    const { env, flags = {} } = this.#inputs;
    const { settings, sources, secretOrigins } = await readSettings(
      {
        document: this.#document,
        env,
        flags,
        folder: this.#folder,
        fileFolder: this.#fileFolder,
        reads: this.#reads,
      },
      this.#problems,
    );
    for (const [path, source] of sources) this.#sources.set(path, source);
    for (const [path, origin] of secretOrigins) this.#secretOrigins.set(path, origin);
    return settings;
  }

  get #fileFolder(): string {
    return this.#file === null ? this.#folder : dirname(this.#file);
  }

  /** Null when the file lists none, or cannot tell. */
  async #listedApps(readable: boolean): Promise<ListedApps | null> {
    if (!readable || !Object.hasOwn(this.#document.tree, "apps")) return null;
    const around = { env: this.#inputs.env, folder: this.#fileFolder, reads: this.#reads };
    const { apps, positions, secretOrigins } = await readAppList(
      this.#document,
      around,
      this.#problems,
    );
    for (const [path, at] of positions) this.#sources.set(path, { kind: "file", at });
    for (const [path, origin] of secretOrigins) this.#secretOrigins.set(path, origin);
    return {
      apps: apps.map(({ app }) => app),
      limited: apps.map(({ path, app }) => ({ path, limits: app.limits })),
    };
  }

  #noteDefaultApp({ secretOrigin, secretLocation }: DefaultApp): void {
    const given = [
      ["apps[0].id", APP_ID_VARIABLE],
      ["apps[0].keys[0].key", APP_KEY_VARIABLE],
      ["apps[0].webhooks[0].url", APP_WEBHOOK_URL_VARIABLE],
    ] as const;
    for (const [path, name] of given) {
      if (this.#inputs.env[name] !== undefined) this.#sources.set(path, { kind: "env", at: name });
    }
    const kind = secretOrigin.kind === "env" ? "env" : "file";
    this.#sources.set("apps[0].keys[0].secret", { kind, at: secretLocation });
    this.#secretOrigins.set("apps[0].keys[0].secret", secretOrigin);
  }

  #refuseContradictions(settings: Settings, apps: readonly LimitedApp[]): void {
    for (const { path, message, involves } of contradictions(settings, apps)) {
      if (involves.some((field) => this.#problems.isAbout(field))) continue;
      this.#problems.add(path, message, this.#sources.get(path)?.at ?? null);
    }
  }

  async #tls(settings: Settings["tls"]): Promise<TlsMaterial | null> {
    if (this.#problems.isAbout("tls")) return null;
    const { material, problems } = await readTls(settings, this.#reads);
    this.#refusePem(problems);
    return material;
  }

  async #senderTls(settings: Settings["sender"]): Promise<SenderTls> {
    const { material, problems } = await readSenderTls(settings, this.#reads);
    this.#refusePem(problems);
    return material;
  }

  async #redis(settings: Settings["redis"]): Promise<RedisConfig | null> {
    if (this.#problems.isAbout("redis")) return null;
    const { config, problems } = await readRedis(settings, this.#reads);
    this.#refusePem(problems);
    return config;
  }

  #refusePem(problems: readonly PemProblem[]): void {
    for (const { path, message } of problems) {
      if (this.#problems.isAbout(path)) continue;
      this.#problems.add(path, message, this.#sources.get(path)?.at ?? null);
    }
  }
}

interface ListedApps {
  readonly apps: readonly App[];
  readonly limited: readonly LimitedApp[];
}
