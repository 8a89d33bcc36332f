import { resolve } from "node:path";
import { type FileReads, readFailure } from "./file-reads.ts";
import type { SecretEntry } from "./secret-entry.ts";

/** Where a secret is kept; never the secret. */
export type SecretOrigin =
  | { readonly kind: "literal" }
  | { readonly kind: "env"; readonly env: string }
  | { readonly kind: "file"; readonly file: string };

export type ResolvedSecret =
  | { readonly secret: string; readonly origin: SecretOrigin }
  /** What is wrong; what would be right. Holds neither the secret nor what the entry says. */
  | { readonly problem: string };

export interface SecretSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What a relative path counts from. */
  readonly folder: string;
  readonly reads: FileReads;
}

/** Fetches a secret from where the configuration says it is. */
export async function resolveSecret(
  entry: SecretEntry,
  around: SecretSurroundings,
): Promise<ResolvedSecret> {
  if (typeof entry === "string") return { secret: entry, origin: { kind: "literal" } };
  if ("env" in entry) {
    const secret = around.env[entry.env];
    if (secret === undefined)
      return { problem: "names a variable that is not set; set it, or correct the name" };
    if (secret === "") return { problem: "names a variable that is empty; give it the secret" };
    return { secret, origin: { kind: "env", env: entry.env } };
  }
  const file = resolve(around.folder, entry.file);
  try {
    const secret = (await around.reads.read(file)).toString("utf8").replace(/\r?\n$/, "");
    if (secret === "") return { problem: "names a file that is empty; put the secret into it" };
    return { secret, origin: { kind: "file", file } };
  } catch (error) {
    return {
      problem: `names a file that cannot be read (${readFailure(error)}); correct the path or its permissions`,
    };
  }
}
