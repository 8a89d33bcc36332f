/**
 * Who should own each partition: everybody's share is equal, or one more, and as few as possible change hands. Whoever has
 * the most of them keeps one more, where it does not come out even.
 *
 * Everybody who sees the same comes to the same answer, so nobody has to be told. What comes out needs no further move.
 *
 * `owners` by partition, undefined where it is free; one who is not among the packagers is gone. `packagers` is not empty,
 * in no order.
 */
export function spread(
  owners: readonly (string | undefined)[],
  packagers: readonly string[],
): readonly string[] {
  const counts = new Map(packagers.map((id) => [id, 0]));
  for (const owner of owners) {
    const count = owner === undefined ? undefined : counts.get(owner);
    if (owner !== undefined && count !== undefined) counts.set(owner, count + 1);
  }
  const ranked = [...counts].toSorted(
    ([a, countOfA], [b, countOfB]) => countOfB - countOfA || (a < b ? -1 : 1),
  );
  const least = Math.floor(owners.length / ranked.length);
  const withOneMore = owners.length % ranked.length;
  const room = new Map(ranked.map(([id], rank) => [id, least + (rank < withOneMore ? 1 : 0)]));

  const kept = owners.map((owner) =>
    owner !== undefined && takeRoom(room, owner) ? owner : undefined,
  );
  const takers = [...room].flatMap(([id, free]) => Array.from({ length: free }, () => id));
  let next = 0;
  return kept.map((owner) => owner ?? takers[next++] ?? "");
}

function takeRoom(room: Map<string, number>, id: string): boolean {
  const free = room.get(id) ?? 0;
  if (free === 0) return false;
  room.set(id, free - 1);
  return true;
}
