import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";

export const SPECS = join(import.meta.dir, "../../../docs/specs");

interface SchemaDocument {
  readonly required: readonly string[];
  readonly properties: Readonly<Record<string, unknown>>;
  readonly $defs?: Readonly<Record<string, object>>;
}

/** A schema as it is published. */
export class JsonSchema {
  readonly document: SchemaDocument;
  readonly #type: z.ZodType;

  constructor(document: SchemaDocument) {
    this.document = document;
    this.#type = z.fromJSONSchema(document as Parameters<typeof z.fromJSONSchema>[0]);
  }

  static published(name: string): JsonSchema {
    return new JsonSchema(JSON.parse(readFileSync(join(SPECS, name), "utf8")) as SchemaDocument);
  }

  definition(name: string): JsonSchema {
    return new JsonSchema(this.document.$defs?.[name] as SchemaDocument);
  }

  /** What is wrong with it, for people; empty when nothing is. */
  faultsOf(value: unknown): string[] {
    const { error } = this.#type.safeParse(value);
    return (error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
}

/** The value without each of its fields, with one more, and with each field of another type. */
export function spoilt(value: object): { readonly how: string; readonly value: object }[] {
  const fields = Object.entries(value);
  return [
    { how: "with another field", value: { ...value, another: 1 } },
    ...fields.map(([name]) => ({
      how: `without ${name}`,
      value: Object.fromEntries(fields.filter(([other]) => other !== name)),
    })),
    ...fields.map(([name]) => ({ how: `with null as ${name}`, value: { ...value, [name]: null } })),
    ...fields.map(([name, content]) => ({
      how: `with another type of ${name}`,
      value: { ...value, [name]: typeof content === "string" ? 1 : "1" },
    })),
  ];
}
