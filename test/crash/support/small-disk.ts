import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BLOCK = Buffer.alloc(4_096, "x");

/** A disk of a few megabytes, that a test fills and frees. Whoever may not mount one gets none. */
export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static mount(): SmallDisk | undefined {
    const folder = mkdtempSync(join(tmpdir(), "ringmaster-disk-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], { stdio: "ignore" });
      return new SmallDisk(folder);
    } catch {
      rmdirSync(folder);
      return undefined;
    }
  }

  /** Leaves not a byte. */
  fill(): void {
    const file = openSync(this.#filler, "w");
    try {
      while (writeSync(file, BLOCK) > 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    execFileSync("umount", ["--lazy", this.folder]);
    rmdirSync(this.folder);
  }

  get #filler(): string {
    return join(this.folder, "filler");
  }
}
