/**
 * How many of the free slots one party may take that holds so many already.
 *
 * The rule, for apps and whoever else shares: one more as long as it holds fewer than are free (a dynamic threshold, as
 * switches share their buffers). So one party has half of all slots at most; N that take turns leave one part in N + 1 free
 * for whoever comes next; and the last slot goes only to a party that has none. A fixed quota would waste slots when few want
 * them, and run out of them when many do. Each one taken raises what is held and lowers what is free, hence the half.
 */
export function fairShare(held: number, free: number): number {
  return held < free ? Math.ceil((free - held) / 2) : 0;
}
