/** Rows in columns of equal width, two spaces between them; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach(
      (cell, column) => (widths[column] = Math.max(widths[column] ?? 0, Bun.stringWidth(cell))),
    );
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell)))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}
