import { join, resolve } from "node:path";
import type { ConfigDocument } from "./document.ts";
import { type Environment, listIn, textFor, valueOf } from "./environment.ts";
import { explain, whatItIs, wrongSecret } from "./explanation.ts";
import { type Field, settingsIn } from "./field.ts";
import type { FileReads } from "./file-reads.ts";
import { isMapping, valueAt } from "./path.ts";
import type { ProblemList } from "./problem.ts";
import { resolveSecret, type SecretOrigin } from "./secret.ts";
import type { SecretEntry } from "./secret-entry.ts";
import { type Settings, settingsFields, settingsSchema } from "./settings.ts";

const DATABASE_NAME = "ringmaster.db";

/** Where one value came from; `at` is the flag, the variable, or the position in the file. */
export interface ValueSource {
  readonly kind: "file" | "env" | "flag";
  readonly at: string;
}

/** Everything that may give a setting. */
export interface SettingsInputs {
  readonly document: ConfigDocument;
  readonly env: Environment;
  /** By field: `{ "drain.windowMs": "1000" }`. */
  readonly flags: Readonly<Record<string, string>>;
  /** What relative paths count from, and those that the file names. */
  readonly folder: string;
  readonly fileFolder: string;
  readonly reads: FileReads;
}

export interface ReadSettings {
  readonly settings: Settings;
  /** By path. What is not in here is a default. */
  readonly sources: ReadonlyMap<string, ValueSource>;
  readonly secretOrigins: ReadonlyMap<string, SecretOrigin>;
}

/** Reads every setting from the strongest source that gives it, telling everything that is wrong with them. */
export async function readSettings(
  inputs: SettingsInputs,
  problems: ProblemList,
): Promise<ReadSettings> {
  return await new SettingsReading(inputs, problems).read();
}

class SettingsReading {
  readonly #inputs: SettingsInputs;
  readonly #problems: ProblemList;
  readonly #sources = new Map<string, ValueSource>();
  readonly #secretOrigins = new Map<string, SecretOrigin>();

  constructor(inputs: SettingsInputs, problems: ProblemList) {
    this.#inputs = inputs;
    this.#problems = problems;
  }

  async read(): Promise<ReadSettings> {
    const tree: Record<string, unknown> = {};
    for (const section of settingsIn("", settingsFields)) {
      const inside = settingsFields.filter(({ path }) => path.startsWith(`${section}.`));
      if (inside.length === 0) continue;
      this.#refuseIfNoMapping(section, inside);
      const values: Record<string, unknown> = {};
      for (const field of inside)
        values[field.path.slice(section.length + 1)] = await this.#setting(field);
      tree[section] = values;
    }
    for (const field of settingsFields) {
      if (!field.path.includes(".")) tree[field.path] = await this.#setting(field);
    }
    return {
      settings: this.#complete(tree),
      sources: this.#sources,
      secretOrigins: this.#secretOrigins,
    };
  }

  /** Some defaults follow from other settings. */
  #complete(tree: Record<string, unknown>): Settings {
    const settings = settingsSchema.parse(tree);
    const { dataDir, drain, ops, redis, database, sender } = settings;
    const isGiven = (path: string) => this.#sources.has(path);
    return {
      ...settings,
      ops: { ...ops, adminToken: fetched(ops.adminToken) },
      redis: {
        ...redis,
        url: fetched(redis.url),
        password: fetched(redis.password),
        sentinelPassword: fetched(redis.sentinelPassword),
      },
      database: { ...database, file: database.file ?? join(dataDir, DATABASE_NAME) },
      sender: {
        ...sender,
        endpointConcurrency: isGiven("sender.endpointConcurrency")
          ? sender.endpointConcurrency
          : Math.min(sender.endpointConcurrency, sender.slots),
        stopTimeoutMs: isGiven("sender.stopTimeoutMs")
          ? sender.stopTimeoutMs
          : Math.min(sender.stopTimeoutMs, Math.floor(drain.deadlineMs / 2)),
      },
    };
  }

  #refuseIfNoMapping(section: string, inside: readonly Field[]): void {
    const { document } = this.#inputs;
    const value = valueAt(document.tree, [section]);
    // `tls:` alone is a section whose fields are all commented out.
    if (value === undefined || value === null || isMapping(value)) return;
    const right = inside.map(({ path }) => path.slice(section.length + 1)).join(", ");
    this.#problems.add(
      section,
      `${whatItIs(value)}; give a mapping with ${right}`,
      document.positionOf([section]),
    );
  }

  /** The value from the strongest source; the default where that is wrong, so that the rest can be looked at too. */
  async #setting(field: Field): Promise<unknown> {
    const { folder, fileFolder } = this.#inputs;
    const { value, source } = this.#strongest(field);
    if (source === null) return absolute(field, field.defaultValue, folder);
    this.#sources.set(field.path, source);
    const parsed = field.schema.safeParse(value);
    if (!parsed.success) {
      this.#problems.add(field.path, explain(field, value), source.at);
      return field.defaultValue;
    }
    if (field.kind === "secret" && parsed.data !== null)
      return await this.#secret(field, parsed.data as SecretEntry, source);
    return absolute(field, parsed.data, source.kind === "file" ? fileFolder : folder);
  }

  #strongest(field: Field): { readonly value: unknown; readonly source: ValueSource | null } {
    const { document, env, flags } = this.#inputs;
    const flag = flags[field.path];
    if (flag !== undefined && field.flagName !== null) {
      return { value: valueOf(field, flag), source: { kind: "flag", at: field.flagName } };
    }
    const variable = textFor(field, env);
    if (variable !== undefined && field.envName !== null) {
      return { value: valueOf(field, variable), source: { kind: "env", at: field.envName } };
    }
    const path = field.path.split(".");
    const written = valueAt(document.tree, path);
    if (written === undefined) return { value: written, source: null };
    const value = field.kind === "list" && typeof written === "string" ? listIn(written) : written;
    return { value, source: { kind: "file", at: document.positionOf(path) } };
  }

  /** Null when it cannot be had, or is not what the setting takes. */
  async #secret(field: Field, entry: SecretEntry, source: ValueSource): Promise<string | null> {
    const { env, fileFolder, reads } = this.#inputs;
    const resolved = await resolveSecret(entry, { env, folder: fileFolder, reads });
    if ("problem" in resolved) {
      this.#problems.add(field.path, resolved.problem, source.at);
      return null;
    }
    const { secret, origin } = resolved;
    if (!field.schema.safeParse(secret).success) {
      this.#problems.add(
        field.path,
        `${wrongSecret(secret, field.notes.fault)}; give ${field.right}`,
        source.at,
      );
      return null;
    }
    this.#secretOrigins.set(
      field.path,
      source.kind === "env" ? { kind: "env", env: source.at } : origin,
    );
    return secret;
  }
}

/** Secrets are fetched before settings are complete: what is left of them is the text. */
function fetched(entry: SecretEntry | null): string | null {
  return typeof entry === "string" ? entry : null;
}

function absolute(field: Field, value: unknown, folder: string): unknown {
  return field.notes.path === true && typeof value === "string" ? resolve(folder, value) : value;
}
