import type * as z from "zod";
import type { App, AppKey } from "../../protocol/app.ts";
import type { Webhook } from "../../protocol/webhook.ts";
import { appEntrySchema, fieldByPath, fileFields } from "./app-entry.ts";
import type { ConfigDocument } from "./document.ts";
import { explain, whatItIs } from "./explanation.ts";
import { settingsIn } from "./field.ts";
import { formatPath, isMapping, type Path, patternOf, valueAt } from "./path.ts";
import type { ProblemList } from "./problem.ts";
import { resolveSecret, type SecretOrigin, type SecretSurroundings } from "./secret.ts";
import { silentEvents } from "./silent-event.ts";
import { webhooksFrom } from "./webhook-entry.ts";
import { readHeaders } from "./webhook-headers.ts";

/** The apps that a file lists, as far as they are right. */
export interface AppList {
  readonly apps: readonly { readonly path: string; readonly app: App }[];
  /** By path: where in the file each value stands that is not a default. */
  readonly positions: ReadonlyMap<string, string>;
  /** By path: `apps[0].keys[0].secret`, `apps[0].webhooks[0].headers.authorization`. */
  readonly secretOrigins: ReadonlyMap<string, SecretOrigin>;
}

const RIGHT: Readonly<Record<string, string>> = {
  apps: "a list with at least one app, or leave it out for one default app",
  "apps[].keys": "a list with at least one {key, secret}",
  "apps[].webhooks": "a list of webhooks, each with a url, or leave it out",
};

/** Reads `apps`, telling everything that is wrong with them. */
export async function readAppList(
  document: ConfigDocument,
  around: SecretSurroundings,
  problems: ProblemList,
): Promise<AppList> {
  const entries = valueAt(document.tree, ["apps"]);
  if (!Array.isArray(entries) || entries.length === 0) {
    problems.add("apps", wrongSection(["apps"], entries), document.positionOf(["apps"]));
    return { apps: [], positions: new Map(), secretOrigins: new Map() };
  }
  return await new AppListReading(document, around, problems).read(entries);
}

class AppListReading {
  readonly #document: ConfigDocument;
  readonly #around: SecretSurroundings;
  readonly #problems: ProblemList;
  readonly #positions = new Map<string, string>();
  readonly #secretOrigins = new Map<string, SecretOrigin>();

  constructor(document: ConfigDocument, around: SecretSurroundings, problems: ProblemList) {
    this.#document = document;
    this.#around = around;
    this.#problems = problems;
  }

  async read(entries: readonly unknown[]): Promise<AppList> {
    this.#refuseDuplicates(entries);
    const apps: { path: string; app: App }[] = [];
    for (const [index, entry] of entries.entries()) {
      const path = ["apps", index];
      this.#notePositions(entry, path);
      const app = await this.#app(entry, path);
      if (app !== undefined) apps.push({ path: formatPath(path), app });
    }
    return { apps, positions: this.#positions, secretOrigins: this.#secretOrigins };
  }

  #refuse(path: Path, message: string): void {
    this.#problems.add(formatPath(path), message, this.#document.positionOf(path));
  }

  async #app(value: unknown, path: Path): Promise<App | undefined> {
    const secrets = await this.#secrets(value, path);
    const headers = await this.#headers(value, path);
    const parsed = appEntrySchema.safeParse(value);
    if (!parsed.success) {
      for (const issue of parsed.error.issues) this.#refuseIssue(issue, path);
      return undefined;
    }
    const { id, name = id, ...entry } = parsed.data;
    if (!entry.keys.some(({ active }) => active)) {
      this.#refuse(
        [...path, "keys"],
        "has no active key; add one, or set active to true on one of them (to close the app, set its enabled to false)",
      );
    }
    const keys = entry.keys.flatMap(({ key, active }, index): AppKey[] => {
      const secret = secrets.get(index);
      return secret === undefined ? [] : [{ key, secret, active }];
    });
    if (keys.length < entry.keys.length) return undefined;
    const webhooks = webhooksFrom(entry.webhooks, (index) => headers.get(index) ?? {});
    const app = { id, name, ...entry, keys, webhooks };
    for (const { webhook, message } of silentEvents(app))
      this.#refuse([...path, "webhooks", webhook, "events"], message);
    return app;
  }

  /** By position in `keys`. Works on what is written, so that unreachable secrets of a wrong app are told as well. */
  async #secrets(value: unknown, appPath: Path): Promise<ReadonlyMap<number, string>> {
    const secrets = new Map<number, string>();
    for (const [index, key] of listAt(value, ["keys"]).entries()) {
      const parsed = appEntrySchema.shape.keys.element.shape.secret.safeParse(
        valueAt(key, ["secret"]),
      );
      if (!parsed.success) continue;
      const path = [...appPath, "keys", index, "secret"];
      const resolved = await resolveSecret(parsed.data, this.#around);
      if ("problem" in resolved) {
        this.#refuse(path, resolved.problem);
      } else {
        this.#secretOrigins.set(formatPath(path), resolved.origin);
        secrets.set(index, resolved.secret);
      }
    }
    return secrets;
  }

  /** By position in `webhooks`. */
  async #headers(value: unknown, appPath: Path): Promise<ReadonlyMap<number, Webhook["headers"]>> {
    const found = new Map<number, Webhook["headers"]>();
    for (const [index, webhook] of listAt(value, ["webhooks"]).entries()) {
      const path = [...appPath, "webhooks", index, "headers"];
      const { headers, origins, faults } = await readHeaders(
        valueAt(webhook, ["headers"]),
        this.#around,
      );
      found.set(index, headers);
      for (const [name, origin] of origins)
        this.#secretOrigins.set(formatPath([...path, name]), origin);
      for (const { name, message } of faults) {
        const position = this.#document.positionOf([...path, name]);
        this.#problems.add(formatPath(path), message, position);
      }
    }
    return found;
  }

  #refuseIssue(issue: z.core.$ZodIssue, appPath: Path): void {
    // Told by `refuseUnknownFields`, with a suggestion.
    if (issue.code === "unrecognized_keys") return;
    const path = [
      ...appPath,
      ...issue.path.map((part) => (typeof part === "number" ? part : String(part))),
    ];
    for (let end = path.length; end > appPath.length; end--) {
      const around = path.slice(0, end);
      const field = fieldByPath.get(patternOf(around));
      if (field === undefined) continue;
      // Told by `#headers`, which knows what a header may be.
      if (field.kind === "secrets" && end < path.length) return;
      // A list or a mapping is explained as a whole, not by the part of it that the schema stumbled over.
      this.#refuse(path, explain(field, valueAt(this.#document.tree, around)));
      return;
    }
    this.#refuse(path, wrongSection(path, valueAt(this.#document.tree, path)));
  }

  /** Works on what is written, so that an app that is wrong otherwise takes part. */
  #refuseDuplicates(entries: readonly unknown[]): void {
    const ids = new Map<string, string>();
    const keys = new Map<string, string>();
    const once = (seen: Map<string, string>, path: Path, right: string) => {
      const value = valueAt(this.#document.tree, path);
      if (typeof value !== "string" || value === "") return;
      const first = seen.get(value);
      if (first === undefined) seen.set(value, formatPath(path));
      else this.#refuse(path, `is the same as ${first}; ${right}`);
    };
    for (const [index, entry] of entries.entries()) {
      once(ids, ["apps", index, "id"], "give each app an id of its own");
      for (const position of listAt(entry, ["keys"]).keys()) {
        once(keys, ["apps", index, "keys", position, "key"], "give each key to one app, once");
      }
      const webhookIds = new Map<string, string>();
      for (const position of listAt(entry, ["webhooks"]).keys()) {
        const path = ["apps", index, "webhooks", position, "id"];
        once(webhookIds, path, "give each webhook of an app an id of its own");
      }
    }
  }

  #notePositions(value: unknown, path: Path): void {
    const isField = fieldByPath.has(patternOf(path));
    if (isField) this.#positions.set(formatPath(path), this.#document.positionOf(path));
    else if (Array.isArray(value)) {
      for (const [index, child] of value.entries()) this.#notePositions(child, [...path, index]);
    } else if (isMapping(value)) {
      for (const [name, child] of Object.entries(value))
        this.#notePositions(child, [...path, name]);
    }
  }
}

function wrongSection(path: Path, value: unknown): string {
  const pattern = patternOf(path);
  const wrong = Array.isArray(value) && value.length === 0 ? "is an empty list" : whatItIs(value);
  return `${wrong}; give ${RIGHT[pattern] ?? `a mapping with ${settingsIn(pattern, fileFields).join(", ")}`}`;
}

function listAt(value: unknown, path: Path): readonly unknown[] {
  const list = valueAt(value, path);
  return Array.isArray(list) ? list : [];
}
