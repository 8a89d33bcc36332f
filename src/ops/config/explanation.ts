import * as z from "zod";
import type { Field } from "./field.ts";
import { REDACTED } from "./secret-entry.ts";

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
    if (field.kind === "secret") return wrongSecret(value, field.notes.fault);
    if (field.kind === "text") return field.notes.fault?.(value) ?? "has not the right form";
  }
  if (field.kind === "list" && Array.isArray(value)) {
    if (value.length === 0) return "is an empty list";
    return field.choices.length > 0
      ? "has an entry that is none of the choices"
      : "has an entry of the wrong form";
  }
  if (field.kind === "secret" && typeof value === "object" && value !== null) {
    return "is a mapping of another form";
  }
  return whatItIs(value);
}

/** What is wrong with a secret of the wrong form. */
export function wrongSecret(text: string, fault?: (text: string) => string | undefined): string {
  if (text === REDACTED) return "is not a secret but what stands in place of one";
  return fault?.(text) ?? "has not the right form";
}

function wrongNumber(field: Field, value: number): string {
  const { min, max } = boundsOf(field);
  if (!Number.isInteger(value)) return "is not a whole number";
  if (value < min) return `is below ${min}`;
  if (value > max) return `is above ${max}`;
  return "is between two steps";
}

/** The least and the greatest number that a field takes. */
export function boundsOf(field: Field): { readonly min: number; readonly max: number } {
  const { minValue, maxValue } = numberIn(field.schema) ?? {};
  return { min: minValue ?? -Infinity, max: maxValue ?? Infinity };
}

function numberIn(schema: z.ZodType): z.ZodNumber | undefined {
  if (schema instanceof z.ZodNumber) return schema;
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return numberIn(schema.unwrap() as z.ZodType);
  return undefined;
}
