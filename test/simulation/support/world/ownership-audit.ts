import type { Keyspace } from "../redis/keyspace.ts";
import type { RawReply } from "../redis/reply.ts";

/** Looks whether a partition has one owner in each epoch, and whether who is no owner changes nothing. */
export class OwnershipAudit {
  readonly #fail: (what: string) => void;
  /** By partition's key and epoch. */
  readonly #owners = new Map<string, string>();
  #before = "";

  constructor(fail: (what: string) => void) {
    this.#fail = fail;
  }

  /** The store has lost something: an epoch may come again. */
  forget(): void {
    this.#owners.clear();
  }

  afterTaking(keys: readonly string[], args: readonly string[], reply: RawReply): void {
    if (typeof reply !== "string") return;
    const [, packager = ""] = args;
    const place = `${keys[0]} in epoch ${reply}`;
    const owner = this.#owners.get(place) ?? packager;
    this.#owners.set(place, packager);
    if (owner !== packager) this.#fail(`${place} belongs to ${owner} and ${packager}`);
  }

  beforeSettlement(keys: readonly string[], args: readonly string[], db: Keyspace): void {
    this.#before = isFenced(keys, args, db) ? contentOf(keys, db) : "";
  }

  afterSettlement(
    keys: readonly string[],
    args: readonly string[],
    reply: RawReply,
    db: Keyspace,
  ): void {
    if (!isFenced(keys, args, db)) return;
    if (reply !== null || contentOf(keys, db) !== this.#before)
      this.#fail(`${args[0]} settled ${keys[1]} in epoch ${args[1]}, which is over`);
  }
}

function isFenced(
  [ownerKey = ""]: readonly string[],
  [packager, epoch]: readonly string[],
  db: Keyspace,
): boolean {
  const owner = db.find(ownerKey, "hash");
  return owner?.get("owner") !== packager || owner?.get("epoch") !== epoch;
}

function contentOf(
  [, events = "", handled = "", outbox = ""]: readonly string[],
  db: Keyspace,
): string {
  return JSON.stringify([
    db.find(events, "stream")?.entries,
    [...(db.find(handled, "hash") ?? [])],
    [...(db.find(outbox, "set") ?? [])],
  ]);
}
