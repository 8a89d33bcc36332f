import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { valuesSchema } from "../../deploy/helm/values-schema.ts";
import manifest from "../../package.json" with { type: "json" };
import { fileFields } from "../../src/ops/config/app-entry.ts";
import { CHART, VALUE_FILES, valuesFile } from "./support/helm.ts";

const read = (...path: readonly string[]): string => readFileSync(join(CHART, ...path), "utf8");
const yaml = (...path: readonly string[]): Record<string, unknown> =>
  parse(read(...path)) as Record<string, unknown>;

test("values.schema.json is what the configuration and values.yaml say: npm run docs writes it", () => {
  expect(read("values.schema.json")).toBe(`${JSON.stringify(valuesSchema(), null, 2)}\n`);
});

test("the chart is of this version of Ringmaster", () => {
  expect(yaml("Chart.yaml")["appVersion"]).toBe(manifest.version);
});

describe("the schema of the values", () => {
  const validate = new Ajv({ strict: false, unicodeRegExp: false }).compile(valuesSchema());

  test.each(["the defaults", ...VALUE_FILES])("takes %s", (name) => {
    const values =
      name === "the defaults" ? yaml("values.yaml") : parse(readFileSync(valuesFile(name), "utf8"));
    validate(values);
    expect(validate.errors ?? []).toEqual([]);
  });

  test("closes every mapping whose fields are known", () => {
    const open: string[] = [];
    const look = (schema: unknown, path: string): void => {
      if (typeof schema !== "object" || schema === null) return;
      if ("properties" in schema && !("additionalProperties" in schema)) open.push(path);
      for (const [name, inner] of Object.entries(schema)) look(inner, `${path}/${name}`);
    };
    look(valuesSchema(), "");
    expect(open).toEqual([]);
  });

  test("has each setting of Ringmaster: to be set in config, or with what to set in its place", () => {
    const text = JSON.stringify(valuesSchema());
    const refused = yaml("files", "refused-settings.yaml") as Record<string, string>;
    const settings = fileFields.filter(
      ({ path }) => !Object.keys(refused).some((one) => path === one || path.startsWith(`${one}.`)),
    );
    expect(settings.length).toBeGreaterThan(40);
    for (const { notes } of settings)
      expect(text).toContain(JSON.stringify(notes.about).slice(1, -1));
    for (const instead of Object.values(refused))
      expect(text).toContain(`The chart's to set: ${instead}.`);
  });
});
