/** Bounds of one call: how long the server is busy with it, and how much of it is in memory. */
const SLICE_JOBS = 500;
const SLICE_LETTERS = 256 * 1_024;

/** Where the slice ends that begins there: behind one job at least, if there is any. */
export function endOfSlice(jobs: readonly string[], start: number): number {
  let end = start;
  let letters = 0;
  while (end < jobs.length && end - start < SLICE_JOBS) {
    letters += jobs[end]?.length ?? 0;
    if (letters > SLICE_LETTERS && end > start) break;
    end++;
  }
  return end;
}
