/**
 * The JSON Schema of the chart's values, which helm checks before anything else and editors complete with:
 *
 *   bun deploy/helm/values-schema.ts > deploy/helm/ringmaster/values.schema.json      (npm run docs)
 *
 * It says nothing twice. What a value is for is its comment in values.yaml; its type is that of its default, or stands in
 * value-types.ts; `config` is what Ringmaster's own configuration is.
 */
import { readFileSync } from "node:fs";
import { isMap, isScalar, LineCounter, parse, parseDocument, type YAMLMap } from "yaml";
import { configJsonSchema } from "../../src/ops/config/json-schema.ts";
import { VALUE_TYPES, type JsonSchema } from "./value-types.ts";

const CHART = new URL("./ringmaster/", import.meta.url);

export function valuesSchema(): JsonSchema {
  const values = new ValuesFile(readFileSync(new URL("values.yaml", CHART), "utf8"));
  const schema = values.schema();
  const unused = Object.keys(VALUE_TYPES).filter((path) => !values.typed.has(path));
  if (unused.length > 0)
    throw new Error(`values.yaml has no ${unused.join(", ")}, which value-types.ts speaks of.`);
  return {
    // Every helm 3 knows this draft; none of what is newer is needed.
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart of Ringmaster",
    ...schema,
    properties: {
      ...schema.properties,
      global: {
        type: "object",
        description: "Of a chart that this one is a part of; nothing here is read.",
      },
    },
  };
}

/** values.yaml: defaults, and comments that say what they are for. */
class ValuesFile {
  /** Paths whose type came from `VALUE_TYPES`. */
  readonly typed = new Set<string>();
  readonly #lines: readonly string[];
  readonly #counter = new LineCounter();
  readonly #root: YAMLMap;

  constructor(yaml: string) {
    this.#lines = yaml.split("\n");
    const { contents } = parseDocument(yaml, { lineCounter: this.#counter });
    if (!isMap(contents)) throw new Error("values.yaml is no mapping.");
    this.#root = contents;
  }

  schema(): JsonSchema {
    return this.#sectionSchema(this.#root, "");
  }

  #sectionSchema(section: YAMLMap, path: string): JsonSchema {
    const properties: Record<string, JsonSchema> = {};
    for (const { key, value } of section.items) {
      if (!isScalar(key) || typeof key.value !== "string" || !key.range)
        throw new Error(`values.yaml has a key below ${path} that is no text.`);
      const description = this.#commentAbove(key.range[0]);
      const schema = this.#valueSchema(value, path === "" ? key.value : `${path}.${key.value}`);
      properties[key.value] = description === "" ? schema : { description, ...schema };
    }
    return { type: "object", properties, additionalProperties: false };
  }

  #valueSchema(value: unknown, path: string): JsonSchema {
    if (path === "config") return configSchema();
    const typed = VALUE_TYPES[path];
    if (typed !== undefined) {
      this.typed.add(path);
      return typed;
    }
    if (isMap(value) && value.items.length > 0) return this.#sectionSchema(value, path);
    const byDefault = isScalar(value) ? value.value : undefined;
    if (typeof byDefault === "boolean") return { type: "boolean" };
    if (typeof byDefault === "string") return { type: "string" };
    throw new Error(`The default of ${path} does not tell its type; say it in value-types.ts.`);
  }

  #commentAbove(offset: number): string {
    const found: string[] = [];
    for (let line = this.#counter.linePos(offset).line - 2; line >= 0; line--) {
      const comment = /^\s*#\s?(.*)$/.exec(this.#lines[line] ?? "")?.[1];
      if (comment === undefined || comment.startsWith("-----")) break;
      found.unshift(comment);
    }
    return found.join(" ");
  }
}

/** Ringmaster's own, in which the settings that the chart sets itself only say what to set in their place: see _refusals.tpl. */
function configSchema(): JsonSchema {
  const refused = parse(
    readFileSync(new URL("files/refused-settings.yaml", CHART), "utf8"),
  ) as Record<string, string>;
  const { $schema: _, title: __, ...schema } = inGo(configJsonSchema() as JsonSchema);
  for (const [path, instead] of Object.entries(refused)) {
    const names = path.split(".");
    const last = names.pop() ?? "";
    let properties = schema.properties;
    for (const name of names) properties = properties?.[name]?.properties;
    if (properties?.[last] === undefined)
      throw new Error(`Ringmaster has no setting ${path}, which refused-settings.yaml speaks of.`);
    properties[last] = { description: `The chart's to set: ${instead}.`, deprecated: true };
  }
  return schema;
}

/** A copy with regular expressions that Go, in which helm is written, understands: it has no \u. */
function inGo(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (keyword, value: unknown) =>
    keyword === "pattern" && typeof value === "string"
      ? value.replaceAll(/\\u([0-9a-f]{4})/gi, (_, code: string) =>
          String.fromCharCode(Number.parseInt(code, 16)),
        )
      : value,
  ) as JsonSchema;
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(valuesSchema(), null, 2)}\n`);
