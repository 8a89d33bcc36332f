import * as z from "zod";
import type { Field } from "./field.ts";

/**
 * The sentence about a value that a field refuses: what is wrong; what to give. It speaks about the value without showing
 * any of it.
 */
export function explain(field: Field, value: unknown): string {
  return `${wrongWith(field, value)}; give ${field.right}`;
}

/** "is a list", "is missing": what a value is where it should be something else. */
export function whatItIs(value: unknown): string {
  if (value === undefined) return "is missing";
  if (value === null) return "is null";
  if (value === "") return "is empty";
  if (Array.isArray(value)) return "is a list";
  if (typeof value === "object") return "is a mapping";
  if (typeof value === "boolean") return "is true or false";
  if (typeof value === "number" || typeof value === "bigint") return "is a number";
  return "is a text";
}

function wrongWith(field: Field, value: unknown): string {
  if (typeof value === "number" && field.kind === "number") return wrongNumber(field, value);
  if (typeof value === "string" && value !== "") {
    if (field.kind === "number")
      return /^-?[0-9]+$/.test(value) ? "is a number in quotes" : "is not a number";
    if (field.kind === "choice") return "is none of the choices";
    if (field.kind === "secret") return "is not a secret but what stands in place of one";
    if (field.kind === "text") return "has not the right form";
  }
  if (field.kind === "list" && Array.isArray(value)) {
    return value.length === 0 ? "is an empty list" : "has an entry of the wrong form";
  }
  if (field.kind === "secret" && typeof value === "object" && value !== null) {
    return "is a mapping of another form";
  }
  return whatItIs(value);
}

function wrongNumber(field: Field, value: number): string {
  const bounds = numberIn(field.schema);
  if (!Number.isInteger(value)) return "is not a whole number";
  if (value < (bounds?.minValue ?? -Infinity)) return `is below ${bounds?.minValue}`;
  if (value > (bounds?.maxValue ?? Infinity)) return `is above ${bounds?.maxValue}`;
  return "is between two steps";
}

function numberIn(schema: z.ZodType): z.ZodNumber | undefined {
  if (schema instanceof z.ZodNumber) return schema;
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return numberIn(schema.unwrap() as z.ZodType);
  return undefined;
}
