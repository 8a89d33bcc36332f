import * as z from "zod";
import { fileSchema } from "./app-entry.ts";
import { fieldNotes } from "./field.ts";

/** The JSON Schema of a configuration file, which editors complete and check with. */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(fileSchema, {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      const notes = fieldNotes.get(zodSchema);
      if (notes !== undefined) jsonSchema.description = notes.about;
      // The default of a section is what its own fields say.
      if (zodSchema instanceof z.ZodPrefault) delete jsonSchema.default;
    },
  });
  return { ...schema, title: "Ringmaster configuration" };
}
