import { describe, expect, test } from "bun:test";
import { fileFields } from "../../../src/ops/config/app-entry.ts";
import { envNameOf, flagNameOf } from "../../../src/ops/config/field.ts";
import { configJsonSchema } from "../../../src/ops/config/json-schema.ts";
import { configReference } from "../../../src/ops/config/reference.ts";
import { settingsFields } from "../../../src/ops/config/settings.ts";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";

test("docs/configuration.md is what the schema says: npm run docs writes it", async () => {
  const written = await Bun.file(new URL("../../../docs/configuration.md", import.meta.url)).text();
  expect(written).toBe(configReference());
});

describe("the reference", () => {
  test.each(settingsFields.map((field) => [field.path, field] as const))(
    "has a row for %s",
    (path, field) => {
      const row = configReference()
        .split("\n")
        .find((line) => line.startsWith(`| \`${path}\` |`));
      const flag = field.kind === "secret" ? "–" : `\`${field.flagName}\``;
      expect(row).toContain(`\`${field.envName}\` | ${flag} |`);
      expect(row).toContain(`\`${JSON.stringify(field.defaultValue)}\``);
      expect(row).toContain(field.notes.about);
    },
  );

  test.each(Object.entries(PUSHER_LIMITS))(
    "has the limit %s with Pusher's default",
    (limit, value) => {
      const row = configReference()
        .split("\n")
        .find((line) => line.startsWith(`| \`limits.${limit}\` |`));
      expect(row).toContain(`| \`${value}\` |`);
    },
  );

  test("marks secrets", () => {
    expect(configReference()).toContain("| `keys[].secret` | **secret**: ");
    expect(configReference()).toContain("| `ops.adminToken` | **secret**: ");
    expect(configReference()).toMatch(/\| `webhooks\[\]\.headers` \| [a-z, ]* \*\*secret\*\*: /);
  });
});

describe("names", () => {
  test.each([
    ["port", "RINGMASTER_PORT", "--port"],
    ["drain.windowMs", "RINGMASTER_DRAIN_WINDOW_MS", "--drain-window-ms"],
    ["tls.certFile", "RINGMASTER_TLS_CERT_FILE", "--tls-cert-file"],
    ["ops.adminToken", "RINGMASTER_OPS_ADMIN_TOKEN", "--ops-admin-token"],
    ["http.maxBodyBytes", "RINGMASTER_HTTP_MAX_BODY_BYTES", "--http-max-body-bytes"],
  ])("of %s", (path, variable, flag) => {
    expect([envNameOf(path), flagNameOf(path)]).toEqual([variable, flag]);
  });

  test("of variables and flags are each there once, and none is one of the default app's", () => {
    for (const names of [
      settingsFields.map(({ envName }) => envName),
      settingsFields.map(({ flagName }) => flagName),
    ]) {
      const given = names.filter((name) => name !== null);
      expect(given.length).toBeGreaterThan(30);
      expect(new Set(given).size).toBe(given.length);
    }
    expect(settingsFields.filter(({ envName }) => envName?.startsWith("RINGMASTER_APP_"))).toEqual(
      [],
    );
  });

  test("inside a list have neither variable nor flag", () => {
    const inApps = fileFields.filter(({ path }) => path.startsWith("apps"));
    expect(inApps.length).toBeGreaterThan(20);
    expect(
      inApps.every(({ envName, flagName }) => envName === null && flagName === null),
    ).toBeTrue();
  });
});

describe("the JSON Schema", () => {
  interface Shape {
    readonly properties: Readonly<Record<string, Shape>>;
    readonly items: Shape;
    readonly description?: string;
    readonly default?: unknown;
    readonly additionalProperties?: boolean;
    readonly required?: readonly string[];
  }
  const schema = configJsonSchema() as Shape;

  test("describes every field, with its default", () => {
    for (const { path, notes, defaultValue } of fileFields) {
      const found = path.split(".").reduce<Shape | undefined>((shape, part) => {
        const inside = shape?.properties[part.replace("[]", "")];
        return part.endsWith("[]") ? inside?.items : inside;
      }, schema);
      expect([path, found?.description, found?.default]).toEqual([path, notes.about, defaultValue]);
    }
  });

  test("takes a list or a text with commas for the lists that a variable may give", () => {
    const { default: _, description: __, ...roles } = (schema.properties["roles"] ?? {}) as Shape;
    expect(roles as unknown).toEqual({
      anyOf: [
        {
          type: "array",
          minItems: 1,
          items: { type: "string", enum: ["channels", "packager", "sender"] },
        },
        { type: "string" },
      ],
    });
  });

  test("refuses what is no setting, and asks for what must be there", () => {
    expect(schema.additionalProperties).toBeFalse();
    expect(schema.properties["drain"]?.additionalProperties).toBeFalse();
    expect(schema.required).toBeUndefined();
    expect(schema.properties["apps"]?.items.required).toEqual(["id", "keys"]);
  });
});
