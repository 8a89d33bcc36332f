import type { StoredJob } from "./stored-job.ts";

/** Jobs that become due by themselves, the next one first: a binary heap in which every job knows where it stands. */
export class WaitingJobs {
  readonly #heap: StoredJob[] = [];
  readonly #places = new Map<StoredJob, number>();

  get first(): StoredJob | undefined {
    return this.#heap[0];
  }

  /** `dueAtMs` stays as it is until the job is deleted here. */
  add(job: StoredJob): void {
    this.#heap.push(job);
    this.#rise(job, this.#heap.length - 1);
  }

  delete(job: StoredJob): void {
    const place = this.#places.get(job);
    const last = this.#heap.pop();
    if (place === undefined || last === undefined) return;
    this.#places.delete(job);
    if (last === job) return;
    this.#sink(last, place);
    this.#rise(last, this.#places.get(last) ?? place);
  }

  #rise(job: StoredJob, from: number): void {
    let place = from;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = this.#heap[parentPlace];
      if (parent === undefined || !isBefore(job, parent)) break;
      this.#put(parent, place);
      place = parentPlace;
    }
    this.#put(job, place);
  }

  #sink(job: StoredJob, from: number): void {
    let place = from;
    for (;;) {
      let childPlace = 2 * place + 1;
      let child = this.#heap[childPlace];
      const other = this.#heap[childPlace + 1];
      if (child !== undefined && other !== undefined && isBefore(other, child)) {
        child = other;
        childPlace++;
      }
      if (child === undefined || !isBefore(child, job)) break;
      this.#put(child, place);
      place = childPlace;
    }
    this.#put(job, place);
  }

  #put(job: StoredJob, place: number): void {
    this.#heap[place] = job;
    this.#places.set(job, place);
  }
}

function isBefore(a: StoredJob, b: StoredJob): boolean {
  return a.dueAtMs < b.dueAtMs || (a.dueAtMs === b.dueAtMs && a.sequence < b.sequence);
}
