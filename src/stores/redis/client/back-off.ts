/** Anything up to a time that doubles with each failure: those who lost one server do not come back as one. */
export function backOffMs(
  failures: number,
  { firstMs, mostMs }: { readonly firstMs: number; readonly mostMs: number },
  random: () => number,
): number {
  return random() * Math.min(firstMs * 2 ** Math.min(failures, 30), mostMs);
}
