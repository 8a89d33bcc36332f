import { spawn } from "node:child_process";
import { join } from "node:path";
import { BUN, ROOT, type Ringmaster } from "./ringmaster.ts";
import { within } from "./wait.ts";

export interface CommandOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `ringmaster …` as a person runs it against this server, in a process of its own. */
export function ringmaster(
  server: Ringmaster,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandOutcome> {
  return bun([join(ROOT, "src/cli/ringmaster.ts"), ...words], {
    RINGMASTER_ADMIN_URL: `http://127.0.0.1:${server.opsPort}`,
    ...env,
  });
}

/** Runs a command that must succeed, and gives back what it printed. */
export async function webhooksCommand(server: Ringmaster, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await ringmaster(server, ["webhooks", ...words]);
  if (code !== 0) throw new Error(`webhooks ${words.join(" ")} ended with ${code}: ${stderr}`);
  return stdout;
}

/** A busy machine starts processes slowly. */
const PATIENCE_MS = 60_000;

/** Runs Bun to its end. */
export async function bun(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandOutcome> {
  const child = spawn(BUN, words, {
    cwd: ROOT,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  try {
    const code = await within(`the end of ${words.join(" ")}`, ended, PATIENCE_MS);
    return { code, stdout, stderr };
  } finally {
    child.kill("SIGKILL");
  }
}
