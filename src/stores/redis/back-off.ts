/** Half to all of a time that doubles with each failure: those who lost one server do not come back as one. */
export function backOffMs(
  failures: number,
  { firstMs, mostMs }: { readonly firstMs: number; readonly mostMs: number },
  random: () => number,
): number {
  const limitMs = Math.min(firstMs * 2 ** Math.min(failures, 30), mostMs);
  return limitMs * (0.5 + random() / 2);
}
