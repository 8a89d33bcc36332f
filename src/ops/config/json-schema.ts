import * as z from "zod";
import { fileSchema } from "./app-entry.ts";
import { fieldNotes } from "./field.ts";
import { settingsFields } from "./settings.ts";

/** Lists that a text with commas may stand for, since a variable or a flag holds no other. */
const LISTS_AS_TEXT: ReadonlySet<z.core.$ZodType> = new Set(
  settingsFields.flatMap(({ kind, schema }) => (kind === "list" ? [schema] : [])),
);

const LIST_KEYWORDS = ["type", "items", "minItems"];

/** The JSON Schema of a configuration file, which editors complete and check with. */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(fileSchema, {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      const notes = fieldNotes.get(zodSchema);
      if (notes !== undefined) jsonSchema.description = notes.about;
      // The default of a section is what its own fields say.
      if (zodSchema instanceof z.ZodPrefault) delete jsonSchema.default;
      if (LISTS_AS_TEXT.has(zodSchema)) {
        const list: Record<string, unknown> = {};
        for (const keyword of LIST_KEYWORDS) {
          if (jsonSchema[keyword] !== undefined) list[keyword] = jsonSchema[keyword];
          delete jsonSchema[keyword];
        }
        jsonSchema.anyOf = [list, { type: "string" }];
      }
    },
  });
  return { ...schema, title: "Ringmaster configuration" };
}
