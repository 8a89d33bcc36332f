export interface StreamId {
  readonly ms: number;
  readonly seq: number;
}

export interface StreamEntry {
  readonly id: StreamId;
  /** Field and value in turn. */
  readonly fields: readonly string[];
}

/** Entries by growing id. It remembers the last id, and stays when it is empty. */
export class Stream {
  readonly entries: StreamEntry[];
  lastId: StreamId;

  constructor(entries: readonly StreamEntry[] = [], lastId: StreamId = { ms: 0, seq: 0 }) {
    this.entries = [...entries];
    this.lastId = lastId;
  }

  append(entry: StreamEntry): void {
    this.entries.push(entry);
    this.lastId = entry.id;
  }

  delete(id: StreamId): boolean {
    const at = this.firstFrom(id);
    const entry = this.entries[at];
    if (entry === undefined || compareIds(entry.id, id) !== 0) return false;
    this.entries.splice(at, 1);
    return true;
  }

  /** The place of the first entry with that id or a higher one. */
  firstFrom(id: StreamId): number {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareIds((this.entries[middle] as StreamEntry).id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function compareIds(a: StreamId, b: StreamId): number {
  return a.ms === b.ms ? a.seq - b.seq : a.ms - b.ms;
}

export function idText({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`;
}
