export interface RunOptions {
  readonly cwd?: string;
  /** Shows what it says as it comes, in place of answering it. */
  readonly shown?: boolean;
}

/** Runs a command to its end and answers its standard output. Rejects with its last words when it fails. */
export async function run(
  command: readonly string[],
  { cwd, shown = false }: RunOptions = {},
): Promise<string> {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: shown ? "inherit" : "pipe",
    stderr: "pipe",
    ...(cwd === undefined ? {} : { cwd }),
  });
  const [output, complaint, code] = await Promise.all([
    shown ? "" : new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0)
    throw new Error(`${command.join(" ")} failed (exit ${code}): ${complaint.trim()}`);
  return output;
}
