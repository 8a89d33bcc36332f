import { dirname, extname, resolve } from "node:path";
import type { App } from "../../protocol/app.ts";
import { PUSHER_LIMITS } from "../../protocol/limits.ts";
import { readAppList, variablesNamedIn } from "./app-list.ts";
import { contradictions, type LimitedApp } from "./contradiction.ts";
import { type DefaultApp, loadDefaultApp } from "./default-app.ts";
import { ConfigDocument } from "./document.ts";
import {
  APP_ID_VARIABLE,
  APP_KEY_VARIABLE,
  APP_VARIABLES,
  CONFIG_VARIABLE,
  type Environment,
  textFor,
  unknownVariables,
  valueOf,
} from "./environment.ts";
import { explain, whatItIs } from "./explanation.ts";
import { type Field, settingsIn } from "./field.ts";
import { FileReads, readFailure } from "./file-reads.ts";
import { isMapping, valueAt } from "./path.ts";
import { ConfigError, ProblemList } from "./problem.ts";
import type { SecretOrigin } from "./secret.ts";
import { type Settings, settingsFields, settingsSchema } from "./settings.ts";
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

/** Where one value came from; `at` is the flag, the variable, or the position in the file. */
export interface ValueSource {
  readonly kind: "file" | "env" | "flag";
  readonly at: string;
}

/** A configuration that has been found right. */
export interface LoadedConfig {
  readonly settings: Settings;
  readonly apps: readonly App[];
  /** Read and checked, so that the listener need not read the files again. Null without a TLS listener. */
  readonly tls: TlsMaterial | null;
  /** The file it came from, absolute. */
  readonly file: string | null;
  /** By path, `drain.windowMs` and `apps[0].limits.eventBytes`. What is not in here is a default. */
  readonly sources: ReadonlyMap<string, ValueSource>;
  /** By path, `apps[0].keys[0].secret`. */
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
    const settings = this.#settings();
    const listed = await this.#listedApps(readable);
    this.#refuseContradictions(
      settings,
      listed?.limited ?? [{ path: "the default app", limits: PUSHER_LIMITS }],
    );
    const tls = await this.#tls(settings.tls);
    this.#problems.throwIfAny(this.#reads.digests);

    const defaultApp =
      listed === null ? await loadDefaultApp(env, settings.dataDir, create, this.#problems) : null;
    this.#problems.throwIfAny(this.#reads.digests);
    if (defaultApp !== null) this.#noteDefaultApp(defaultApp);
    return {
      settings,
      apps: defaultApp === null ? (listed?.apps ?? []) : [defaultApp.app],
      tls,
      file: this.#file,
      sources: this.#sources,
      secretOrigins:
        defaultApp === null
          ? (listed?.secretOrigins ?? new Map())
          : new Map([["apps[0].keys[0].secret", defaultApp.secretOrigin]]),
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

  #settings(): Settings {
    const tree: Record<string, unknown> = {};
    for (const section of settingsIn("", settingsFields)) {
      const inside = settingsFields.filter(({ path }) => path.startsWith(`${section}.`));
      if (inside.length === 0) continue;
      this.#refuseIfNoMapping(section, inside);
      tree[section] = Object.fromEntries(
        inside.map((field) => [field.path.split(".")[1], this.#setting(field)]),
      );
    }
    for (const field of settingsFields) {
      if (!field.path.includes(".")) tree[field.path] = this.#setting(field);
    }
    return settingsSchema.parse(tree);
  }

  #refuseIfNoMapping(section: string, inside: readonly Field[]): void {
    const value = valueAt(this.#document.tree, [section]);
    // `tls:` alone is a section whose fields are all commented out.
    if (value === undefined || value === null || isMapping(value)) return;
    const right = inside.map(({ path }) => path.slice(section.length + 1)).join(", ");
    this.#problems.add(
      section,
      `${whatItIs(value)}; give a mapping with ${right}`,
      this.#document.positionOf([section]),
    );
  }

  /** The value from the strongest source; the default where that is wrong, so that the rest can be looked at too. */
  #setting(field: Field): unknown {
    const { value, source } = this.#strongest(field);
    if (source === null) return this.#resolved(field, field.defaultValue, this.#folder);
    this.#sources.set(field.path, source);
    const parsed = field.schema.safeParse(value);
    if (parsed.success) {
      return this.#resolved(
        field,
        parsed.data,
        source.kind === "file" ? this.#fileFolder : this.#folder,
      );
    }
    this.#problems.add(field.path, explain(field, value), source.at);
    return field.defaultValue;
  }

  #strongest(field: Field): { readonly value: unknown; readonly source: ValueSource | null } {
    const flag = this.#inputs.flags?.[field.path];
    if (flag !== undefined && field.flagName !== null) {
      return { value: valueOf(field, flag), source: { kind: "flag", at: field.flagName } };
    }
    const variable = textFor(field, this.#inputs.env);
    if (variable !== undefined && field.envName !== null) {
      return { value: valueOf(field, variable), source: { kind: "env", at: field.envName } };
    }
    const path = field.path.split(".");
    const value = valueAt(this.#document.tree, path);
    if (value === undefined) return { value, source: null };
    return { value, source: { kind: "file", at: this.#document.positionOf(path) } };
  }

  #resolved(field: Field, value: unknown, folder: string): unknown {
    return field.notes.path === true && typeof value === "string" ? resolve(folder, value) : value;
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
    return {
      apps: apps.map(({ app }) => app),
      limited: apps.map(({ path, app }) => ({ path, limits: app.limits })),
      secretOrigins,
    };
  }

  #noteDefaultApp({ secretOrigin, secretLocation }: DefaultApp): void {
    const given = [
      ["apps[0].id", APP_ID_VARIABLE],
      ["apps[0].keys[0].key", APP_KEY_VARIABLE],
    ] as const;
    for (const [path, name] of given) {
      if (this.#inputs.env[name] !== undefined) this.#sources.set(path, { kind: "env", at: name });
    }
    const kind = secretOrigin.kind === "env" ? "env" : "file";
    this.#sources.set("apps[0].keys[0].secret", { kind, at: secretLocation });
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
    for (const { path, message } of problems) {
      this.#problems.add(path, message, this.#sources.get(path)?.at ?? null);
    }
    return material;
  }
}

interface ListedApps {
  readonly apps: readonly App[];
  readonly limited: readonly LimitedApp[];
  readonly secretOrigins: ReadonlyMap<string, SecretOrigin>;
}
