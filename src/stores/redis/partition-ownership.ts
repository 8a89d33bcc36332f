import type { RedisConnection } from "./connection.ts";
import type { Keys } from "./keys.ts";
import leaveSource from "./lua/leave-packagers.lua" with { type: "text" };
import ownSource from "./lua/own-partition.lua" with { type: "text" };
import packagersSource from "./lua/packagers.lua" with { type: "text" };
import timeSource from "./lua/time.lua" with { type: "text" };
import { partitionShare } from "./partition-share.ts";
import { script } from "./script.ts";
import type { StoreTime } from "./time.ts";

const PACKAGERS = script("packagers", timeSource, packagersSource);
const LEAVE = script("leave-packagers", leaveSource);
const OWN = script("own-partition", timeSource, ownSource);

/** A packager that has not asked for so long is gone: it asks once a second. */
export const OWNER_TIMEOUT_MS = 10_000;

type Wish = "take" | "keep" | "release";

/**
 * Which partitions one packager owns. They are spread evenly over those that live: whoever has too many lets some go,
 * whoever has too few takes free ones. Nobody takes one that another has, until that one's time is over.
 */
export class PartitionOwnership {
  readonly packagerId: string;
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #time: StoreTime;
  /** Epoch by partition. */
  readonly #owned = new Map<number, number>();

  constructor(connection: RedisConnection, keys: Keys, time: StoreTime, packagerId: string) {
    this.#connection = connection;
    this.#keys = keys;
    this.#time = time;
    this.packagerId = packagerId;
  }

  /** Epoch by partition. */
  get owned(): ReadonlyMap<number, number> {
    return this.#owned;
  }

  /** Rejects with `RedisFault`; what is owned then stays so, as far as is known here. */
  async refresh(): Promise<void> {
    const packagers = await this.#beat();
    const { partitions } = this.#keys;
    const share = partitionShare(partitions, packagers, this.packagerId);
    const surplus = [...this.#owned.keys()].slice(share);
    const kept = [...this.#owned.keys()].slice(0, share);
    await Promise.all([
      ...surplus.map((partition) => this.#wish(partition, "release")),
      ...kept.map((partition) => this.#wish(partition, "keep")),
    ]);
    // Everybody begins to look elsewhere, so that few want the same.
    const place = Math.max(0, packagers.indexOf(this.packagerId));
    const start = Math.floor((place * partitions) / packagers.length);
    const candidates = Array.from(
      { length: partitions },
      (_, i) => (start + i) % partitions,
    ).filter((partition) => !this.#owned.has(partition) && !surplus.includes(partition));
    while (this.#owned.size < share && candidates.length > 0) {
      const tried = candidates.splice(0, share - this.#owned.size);
      await Promise.all(tried.map((partition) => this.#wish(partition, "take")));
    }
  }

  /** Lets everything go, so that others may have it at once. */
  async release(): Promise<void> {
    const owned = [...this.#owned.keys()];
    this.#owned.clear();
    await Promise.all(owned.map((partition) => this.#wish(partition, "release")));
    await this.#connection.run(LEAVE, [this.#keys.nodes("packagers")], [this.packagerId]);
  }

  /** Somebody else has it. */
  lose(partition: number): void {
    this.#owned.delete(partition);
  }

  async #beat(): Promise<readonly string[]> {
    const reply = await this.#connection.run(
      PACKAGERS,
      [this.#keys.nodes("packagers")],
      [this.#time(), this.packagerId, `${OWNER_TIMEOUT_MS}`],
    );
    return (reply as readonly string[]).toSorted();
  }

  async #wish(partition: number, wish: Wish): Promise<void> {
    if (wish === "release") this.#owned.delete(partition);
    const reply = await this.#connection.run(
      OWN,
      [this.#keys.in(partition, "owner")],
      [this.#time(), this.packagerId, `${OWNER_TIMEOUT_MS}`, wish],
    );
    if (typeof reply === "string") this.#owned.set(partition, Number(reply));
    else this.#owned.delete(partition);
  }
}
