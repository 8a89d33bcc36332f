import type { Keyspace } from "../redis/keyspace.ts";
import type { RawReply } from "../redis/reply.ts";
import type { Scored } from "../redis/sorted-set.ts";

interface Held {
  readonly token: string;
  readonly untilMs: number;
}

/** Looks whether a job is with one sender at a time, and with none after it was delivered; and whether the counts can be. */
export class LeaseAudit {
  readonly #fail: (what: string) => void;
  /** By number of the job. */
  #held = new Map<string, Held>();
  #gone = new Set<string>();
  #behind: { held: Map<string, Held>; gone: Set<string> } | undefined;

  constructor(fail: (what: string) => void) {
    this.#fail = fail;
  }

  replicaLost(): void {
    this.#behind = { held: new Map(this.#held), gone: new Set(this.#gone) };
  }

  failedOver(): void {
    if (this.#behind === undefined) return;
    this.#held = this.#behind.held;
    this.#gone = this.#behind.gone;
  }

  forget(): void {
    this.#held.clear();
    this.#gone.clear();
    this.#behind = undefined;
  }

  /** After a script that leases. */
  leased([, base = ""]: readonly string[], db: Keyspace): void {
    const nowMs = Number(db.find(`${base}clock`, "hash")?.get("last") ?? 0);
    for (const { member: number, score: untilMs } of itemsOf(`${base}leased`, db)) {
      const token = tokenOf(base, number, db);
      const before = this.#held.get(number);
      if (before?.token === token) continue;
      if (this.#gone.has(number)) this.#fail(`job ${number} is leased, which has been delivered`);
      if (before !== undefined && before.untilMs > nowMs)
        this.#fail(`job ${number} is leased twice: until ${before.untilMs}, at ${nowMs}`);
      this.#held.set(number, { token, untilMs });
    }
  }

  /** After a script that prolongs leases. */
  renewed([, base = ""]: readonly string[], db: Keyspace): void {
    for (const { member: number, score: untilMs } of itemsOf(`${base}leased`, db)) {
      const token = tokenOf(base, number, db);
      if (this.#held.get(number)?.token !== token)
        this.#fail(`the lease ${token} of job ${number} was renewed, which is not its last one`);
      this.#held.set(number, { token, untilMs });
    }
  }

  /** After a script that settles. */
  settled([, , ...settlements]: readonly string[], reply: RawReply): void {
    const settled = reply as readonly RawReply[];
    for (let i = 0; i + 4 < settlements.length; i += 5) {
      const [number = "", token = "", what] = settlements.slice(i, i + 3);
      if (settled[i / 5] !== 1) continue;
      if (this.#held.get(number)?.token !== token)
        this.#fail(`job ${number} was settled with ${token}, which is not its last lease`);
      this.#held.delete(number);
      if (what === "delivered") this.#gone.add(number);
    }
  }

  /** Whether what is counted is what is there. */
  checkCounts(base: string, db: Keyspace): void {
    const sums = { l: 0, w: 0, x: 0 };
    for (const endpoint of db.find(`${base}endpoints`, "set") ?? []) {
      const load = db.find(`${base}load:${endpoint}`, "hash");
      for (const [place, count] of load ?? []) {
        if (place === "u") continue;
        const number = Number(count);
        if (number < 0) this.#fail(`${endpoint} has ${number} jobs of kind ${place}`);
        sums[place as keyof typeof sums] += number;
      }
    }
    const there = {
      l: db.find(`${base}leased`, "zset")?.size ?? 0,
      w: db.find(`${base}delayed`, "zset")?.size ?? 0,
      x: db.find(`${base}dead`, "zset")?.size ?? 0,
    };
    for (const place of ["l", "w", "x"] as const) {
      if (sums[place] !== there[place])
        this.#fail(
          `${sums[place]} jobs of kind ${place} are counted, and ${there[place]} are there`,
        );
    }
  }
}

function itemsOf(key: string, db: Keyspace): readonly Scored[] {
  return db.find(key, "zset")?.items ?? [];
}

function tokenOf(base: string, number: string, db: Keyspace): string {
  return db.find(`${base}leases`, "hash")?.get(number)?.split(" ")[0] ?? "";
}
