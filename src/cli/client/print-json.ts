/** The server's answer for machines: JSON on one line. */
export function printJson(body: unknown): void {
  process.stdout.write(`${JSON.stringify(body ?? {})}\n`);
}
