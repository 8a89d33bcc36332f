/**
 * How many of the partitions are this packager's: as many as everybody's, or one more. Who is among the first of the list,
 * which all have in the same order, has one more where it does not come out even.
 */
export function partitionShare(
  partitions: number,
  packagers: readonly string[],
  packagerId: string,
): number {
  const place = packagers.indexOf(packagerId);
  const count = Math.max(1, packagers.length);
  return Math.floor(partitions / count) + (place !== -1 && place < partitions % count ? 1 : 0);
}
