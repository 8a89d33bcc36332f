import { join } from "node:path";

const ENTRY = join(import.meta.dirname, "..", "..", "src", "cli", "ringmaster.ts");

/**
 * Makes one file of our sources, the libraries and the runtime. Byte code, for parsing the sources is most of a start: a pod
 * with a quarter of a core would not be ready within a second.
 *
 * Rejects with the compiler's own words.
 */
export async function compile(outfile: string): Promise<void> {
  await Bun.build({
    entrypoints: [ENTRY],
    target: "bun",
    format: "cjs",
    bytecode: true,
    // Nothing that lies about in a working folder may change what the program is.
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    // A minified stack trace helps nobody at night.
    minify: false,
  });
}
