import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";

const MAX_FILE_BYTES = 16_777_216;

/**
 * Reads files and remembers a digest of what it read, so that a watcher compares the disk with exactly what was loaded: a
 * change between reading and watching is not lost.
 */
export class FileReads {
  readonly #digests = new Map<string, string>();

  get digests(): ReadonlyMap<string, string> {
    return this.#digests;
  }

  async read(path: string): Promise<Buffer> {
    try {
      const content = await readRegularFile(path);
      this.#digests.set(path, digestOf(content));
      return content;
    } catch (error) {
      this.#digests.set(path, failureDigest(error));
      throw error;
    }
  }
}

/** What `FileReads` would remember, were it to read the file now. */
export async function digestOnDisk(path: string): Promise<string> {
  try {
    return digestOf(await readRegularFile(path));
  } catch (error) {
    return failureDigest(error);
  }
}

/** Why a file could not be read, without its name. */
export function readFailure(error: unknown): string {
  const code = codeOf(error);
  if (code === "ENOENT") return "there is no such file";
  if (code === "ENOTDIR" || code === "EEXIST") return "a folder on the way to it is a file";
  if (code === "EROFS") return "the file system is read-only";
  if (code === "EACCES" || code === "EPERM") return "permission is denied";
  if (code === "EISDIR") return "it is no regular file";
  if (code === "EFBIG") return "it is larger than 16 MiB";
  return `the system says ${code}`;
}

/** A pipe or a device would never end. */
async function readRegularFile(path: string): Promise<Buffer> {
  const found = await stat(path);
  if (!found.isFile()) throw Object.assign(new Error("not a regular file"), { code: "EISDIR" });
  if (found.size > MAX_FILE_BYTES) throw Object.assign(new Error("too large"), { code: "EFBIG" });
  return await readFile(path);
}

function digestOf(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function failureDigest(error: unknown): string {
  return `unreadable: ${codeOf(error)}`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "an unknown error";
}
