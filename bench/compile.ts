import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";

const BENCH = import.meta.dirname;
const BUILD = join(BENCH, ".build");

export type CProgram = "load" | "limit" | "sink";

const compiled = new Map<CProgram, Promise<string>>();

/** Compiles a C program of ours, once a run, and returns where it is. */
export function compile(program: CProgram): Promise<string> {
  const known = compiled.get(program) ?? compileNow(program);
  compiled.set(program, known);
  return known;
}

async function compileNow(program: CProgram): Promise<string> {
  if (Bun.which("cc") === null) throw new Error("no C compiler: apt install gcc libc6-dev");
  const source = join(BENCH, program, `${program}.c`);
  const target = join(BUILD, program);
  const unfinished = `${target}.${process.pid}`;
  await mkdir(BUILD, { recursive: true });
  const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra"];
  const compiler = Bun.spawn(["cc", ...flags, "-o", unfinished, source, "-lm"], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const [complaints, code] = await Promise.all([
    new Response(compiler.stderr).text(),
    compiler.exited,
  ]);
  if (code !== 0) throw new Error(`cc ${source}: ${complaints}`);
  // Another run may have the old one open.
  await rename(unfinished, target);
  return target;
}

/** Where request files and other scratch go. */
export function scratchFile(name: string): string {
  return join(BUILD, name);
}
