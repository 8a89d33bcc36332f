import { stat } from "node:fs/promises";

/**
 * File times tick slowly, on some file systems every two seconds, and a file that is written twice within a tick keeps its
 * stamp. So a stamp younger than that proves nothing.
 */
const COARSEST_TICK_MS = 2_500;

/** What tells without reading a file that its content is the same as before. */
export interface FileStamp {
  readonly text: string;
  /** Whether an equal stamp later on is proof that nothing was written in between. */
  readonly isSettled: boolean;
}

/** Follows symbolic links, so that a link turned to another file shows. */
export async function stampOf(path: string): Promise<FileStamp> {
  try {
    const { mtimeNs, ctimeNs, ctimeMs, size, ino, dev } = await stat(path, { bigint: true });
    return {
      text: [mtimeNs, ctimeNs, size, ino, dev].join(" "),
      isSettled: Date.now() - Number(ctimeMs) > COARSEST_TICK_MS,
    };
  } catch {
    return { text: "unreadable", isSettled: false };
  }
}
