import * as z from "zod";

/** What `config print` shows in place of a secret. Refused as a secret, so that nobody starts with a printed file. */
export const REDACTED = "(redacted)";

/** A secret that stands in the file, or where else it is. `text` is what the secret itself may be. */
export const secretEntry = (text = z.string()) =>
  z.union([
    text.min(1).refine((value) => value !== REDACTED),
    z.strictObject({ env: z.string().min(1) }),
    z.strictObject({ file: z.string().min(1) }),
  ]);

export type SecretEntry = z.output<ReturnType<typeof secretEntry>>;
