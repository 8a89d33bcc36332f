import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseFault, inspectDatabase, openingFault } from "./database.ts";

/** What kinds of file system mean for a database. */
export type FileSystem = "network" | "memory" | "container-layer" | "other";

export interface DatabaseFacts {
  readonly file: string;
  readonly exists: boolean;
  readonly bytes: number;
  /** Why it cannot be used as it is. */
  readonly fault: string | undefined;
  /** Whether the file, or the folder that it would be made in, may be written. */
  readonly isWritable: boolean;
  readonly freeBytes: number;
  readonly fileSystem: FileSystem;
}

/** By the number that the kernel gives them. */
const FILE_SYSTEMS: ReadonlyMap<number, FileSystem> = new Map([
  // NFS, SMB in three versions, 9P, Ceph
  [0x6969, "network"],
  [0x517b, "network"],
  [0xff534d42, "network"],
  [0xfe534d42, "network"],
  [0x01021997, "network"],
  [0x00c36400, "network"],
  [0x01021994, "memory"],
  [0x794c7630, "container-layer"],
]);

/** Looks at the file and the place where it is, or would be. Nothing is changed or made. */
export async function inspectSqlite(file: string): Promise<DatabaseFacts> {
  const found = await stat(file).catch(() => undefined);
  const folder = await existingFolder(dirname(file));
  const { bavail, bsize, type } = await statfs(folder);
  return {
    file,
    exists: found !== undefined,
    bytes: found?.size ?? 0,
    fault: found === undefined ? undefined : faultOf(file),
    isWritable: (await isWritable(folder)) && (found === undefined || (await isWritable(file))),
    freeBytes: bavail * bsize,
    fileSystem: FILE_SYSTEMS.get(type >>> 0) ?? "other",
  };
}

function faultOf(file: string): string | undefined {
  try {
    inspectDatabase(file);
    return undefined;
  } catch (error) {
    return error instanceof DatabaseFault ? error.message : openingFault(file, error);
  }
}

/** Folders that are missing are made at the start. */
async function existingFolder(folder: string): Promise<string> {
  for (let current = folder; ; current = dirname(current)) {
    if (
      await stat(current).then(
        () => true,
        () => false,
      )
    )
      return current;
    if (dirname(current) === current) return current;
  }
}

function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}
