import { Document, isCollection, isNode } from "yaml";
import { fieldByPath, NOT_YET_GENERATED } from "./app-entry.ts";
import type { LoadedConfig } from "./load.ts";
import { formatPath, isMapping, type Path, patternOf } from "./path.ts";
import type { SecretOrigin } from "./secret.ts";
import { REDACTED } from "./secret-entry.ts";

/**
 * The configuration in force as YAML, each value with its source behind it. It loads again as a file once the redacted
 * secrets are put back; those that the file only refers to stay references.
 */
export function effectiveYaml(loaded: LoadedConfig): string {
  const document = new Document(effectiveTree(loaded));
  for (const { path } of leavesOf(document.toJS(), [])) {
    const node = document.getIn(path, true);
    if (isCollection(node)) node.flow = true;
    if (isNode(node)) node.comment = ` ${sourceOf(loaded, path)}`;
  }
  return document.toString({ lineWidth: 0 });
}

/** The same for programs: `{ values, sources }`, with a source for each leaf by its path. */
export function effectiveJson(loaded: LoadedConfig): string {
  const values = effectiveTree(loaded);
  const sources = Object.fromEntries(
    leavesOf(values, []).map(({ path }) => [formatPath(path), sourceOf(loaded, path)]),
  );
  return `${JSON.stringify({ values, sources }, null, 2)}\n`;
}

function effectiveTree({ settings, apps, secretOrigins }: LoadedConfig): Record<string, unknown> {
  const shown = (path: Path) => shownSecret(secretOrigins.get(formatPath(path)));
  const { adminToken } = settings.ops;
  return {
    ...settings,
    ops: {
      ...settings.ops,
      adminToken: adminToken === null ? null : shown(["ops", "adminToken"]),
    },
    apps: apps.map((app, index) => ({
      ...app,
      keys: app.keys.map(({ key, active }, position) => {
        const secret = shown(["apps", index, "keys", position, "secret"]);
        return { key, secret: key === NOT_YET_GENERATED ? NOT_YET_GENERATED : secret, active };
      }),
      webhooks: app.webhooks.map((webhook, position) => {
        const path = ["apps", index, "webhooks", position, "headers"];
        const names = Object.keys(webhook.headers);
        const headers = Object.fromEntries(names.map((name) => [name, shown([...path, name])]));
        return { ...webhook, headers };
      }),
    })),
  };
}

function shownSecret(origin: SecretOrigin | undefined): unknown {
  if (origin?.kind === "env") return { env: origin.env };
  // A reference to default-app.json would not do: that file holds more than the secret.
  if (origin?.kind === "file" && !origin.file.endsWith("default-app.json"))
    return { file: origin.file };
  return REDACTED;
}

function sourceOf({ sources }: LoadedConfig, path: Path): string {
  return sources.get(formatPath(path))?.at ?? "default";
}

function leavesOf(value: unknown, path: Path): { readonly path: Path }[] {
  if (fieldByPath.has(patternOf(path))) return [{ path }];
  if (Array.isArray(value))
    return value.flatMap((entry, index) => leavesOf(entry, [...path, index]));
  if (isMapping(value))
    return Object.entries(value).flatMap(([name, child]) => leavesOf(child, [...path, name]));
  return [];
}
