import { pino, type Logger } from "pino";
import pretty from "pino-pretty";

export interface LogOptions {
  readonly level: string;
  readonly format: "json" | "pretty";
}

/**
 * The process's log, one object a line on standard output. The names of its fields are fixed (docs/operations.md), and a
 * field called secret is never written, whoever logs it.
 */
export function createLog({ level, format }: LogOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ["secret", "*.secret", "*.*.secret"],
  };
  if (format === "json") return pino(options);
  // Without its worker thread: a line is written before the process may die of what it tells.
  return pino(
    options,
    pretty({ sync: true, colorize: process.stdout.isTTY, translateTime: "HH:MM:ss" }),
  );
}
