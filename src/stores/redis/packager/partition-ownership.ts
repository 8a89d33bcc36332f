import type { RedisConnection, Reply } from "../connection.ts";
import type { Keys } from "../keys.ts";
import leaveSource from "../lua/leave-packagers.lua" with { type: "text" };
import packagersSource from "../lua/packagers.lua" with { type: "text" };
import releaseSource from "../lua/release-partition.lua" with { type: "text" };
import renewSource from "../lua/renew-partition.lua" with { type: "text" };
import takeSource from "../lua/take-partition.lua" with { type: "text" };
import timeSource from "../lua/time.lua" with { type: "text" };
import { spread } from "./partition-spread.ts";
import { script } from "../script.ts";
import type { StoreTime } from "../time.ts";

const PACKAGERS = script("packagers", timeSource, packagersSource);
const LEAVE = script("leave-packagers", leaveSource);
const RENEW = script("renew-partition", timeSource, renewSource);
const TAKE = script("take-partition", timeSource, takeSource);
const RELEASE = script("release-partition", releaseSource);

export interface OwnershipDependencies {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly time: StoreTime;
  /** Of this process alone, and of none after it. */
  readonly packagerId: string;
  /** A packager that has not asked for so long is gone. It asks several times in it. */
  readonly ownerTimeoutMs: number;
  /** Ends the use of a partition that is about to be let go of, in order. */
  conclude(partition: number): Promise<void>;
}

/** Who had a partition when the store answered last. */
interface Sight {
  readonly owner: string | undefined;
  /** The highest that was ever seen. */
  readonly epoch: number;
}

const UNSEEN: Sight = { owner: undefined, epoch: 0 };

/**
 * Which partitions one packager owns, to its knowledge; the store knows better, and every use is checked there.
 *
 *   free ──take──▶ owned ──released, or its time is over and another takes it──▶ free, or the other's
 *
 * Each packager says that it lives, looks who has what, and brings its own part to how they should be spread over those that
 * live: it lets go what should be another's, and takes what should be its own and nobody has.
 *
 * Invariants:
 * - Nobody takes what another has, until that one's time is over, and it may go on even then if nobody does.
 * - While the store does not answer for a partition, nothing is known to have changed there.
 * - After a time in which a packager could not ask (the store was away, its clock jumped, or the process stood still) it
 *   takes nothing from others whose time seems over for a while: they are about to come back as well.
 */
export class PartitionOwnership {
  readonly #dependencies: OwnershipDependencies;
  /** By partition. */
  readonly #sights: Sight[];
  /** Epoch by partition. */
  readonly #owned = new Map<number, number>();
  #lastMs: number | undefined;
  #patientUntilMs = Number.NEGATIVE_INFINITY;

  constructor(dependencies: OwnershipDependencies) {
    this.#dependencies = dependencies;
    this.#sights = Array.from({ length: dependencies.keys.partitions }, () => UNSEEN);
  }

  /** Epoch by partition. */
  get owned(): ReadonlyMap<number, number> {
    return this.#owned;
  }

  /** Rejects with `RedisFault` when it cannot be known who is there; what is owned stays so. */
  async refresh(): Promise<void> {
    const partitions = this.#sights.map((_, partition) => partition);
    const [beat, ...renewals] = await Promise.allSettled([
      this.#beat(),
      ...partitions.map((partition) => this.#renew(partition)),
    ]);
    for (const [partition, renewal] of renewals.entries())
      if (renewal.status === "fulfilled") this.#see(partition, renewal.value);
    if (beat.status === "rejected") throw beat.reason;
    const packagers = beat.value;
    const owners = this.#owners(packagers);
    const present = new Set([...packagers, ...owners.filter((owner) => owner !== undefined)]);
    const wanted = spread(owners, [...present]);
    // What fails is looked at again the next time.
    await Promise.allSettled(partitions.map((partition) => this.#move(partition, wanted)));
  }

  /** Lets everything go, so that others may have it at once. */
  async release(): Promise<void> {
    const { connection, keys, packagerId } = this.#dependencies;
    const released = await Promise.allSettled([
      ...Array.from(this.#owned, ([partition, epoch]) => this.#release(partition, epoch)),
      connection.run(LEAVE, [keys.nodes("packagers")], [packagerId]),
    ]);
    for (const one of released) if (one.status === "rejected") throw one.reason;
  }

  /** The store said that it is not ours under that epoch. */
  lose(partition: number, epoch: number): void {
    if (this.#owned.get(partition) === epoch) this.#owned.delete(partition);
  }

  /** By partition, those who are to be reckoned with. */
  #owners(packagers: readonly string[]): (string | undefined)[] {
    const isPatient = (this.#lastMs ?? 0) < this.#patientUntilMs;
    return this.#sights.map(({ owner }) =>
      owner !== undefined && (isPatient || packagers.includes(owner)) ? owner : undefined,
    );
  }

  async #beat(): Promise<readonly string[]> {
    const { connection, keys, time, packagerId, ownerTimeoutMs } = this.#dependencies;
    const reply = await connection.run(
      PACKAGERS,
      [keys.nodes("packagers")],
      [time(), packagerId, `${ownerTimeoutMs}`],
    );
    const [nowText, ...packagers] = reply as readonly string[];
    const nowMs = Number(nowText);
    if (this.#lastMs !== undefined && nowMs - this.#lastMs > ownerTimeoutMs)
      this.#patientUntilMs = nowMs + ownerTimeoutMs / 2;
    // Its clock was set back: what was reckoned by it holds no more.
    if (this.#lastMs !== undefined && nowMs < this.#lastMs)
      this.#patientUntilMs = Number.NEGATIVE_INFINITY;
    this.#lastMs = nowMs;
    return packagers;
  }

  async #renew(partition: number): Promise<readonly Reply[]> {
    const { connection, keys, time, packagerId, ownerTimeoutMs } = this.#dependencies;
    const reply = await connection.run(
      RENEW,
      [keys.in(partition, "owner")],
      [time(), packagerId, `${ownerTimeoutMs}`],
    );
    return reply as readonly Reply[];
  }

  #see(partition: number, [owner, epochText]: readonly Reply[]): void {
    const epoch = Number(epochText);
    this.#sights[partition] = {
      owner: owner === "" ? undefined : String(owner),
      epoch: Math.max(epoch, this.#highestEpoch(partition)),
    };
    // It may have been taken by a call that nobody heard the answer of.
    if (owner === this.#dependencies.packagerId) this.#owned.set(partition, epoch);
    else this.#owned.delete(partition);
  }

  #highestEpoch(partition: number): number {
    return this.#sights[partition]?.epoch ?? 0;
  }

  async #move(partition: number, wanted: readonly string[]): Promise<void> {
    const { packagerId } = this.#dependencies;
    const isWanted = wanted[partition] === packagerId;
    const epoch = this.#owned.get(partition);
    if (epoch !== undefined && !isWanted) await this.#release(partition, epoch);
    else if (epoch === undefined && isWanted) await this.#take(partition);
  }

  async #take(partition: number): Promise<void> {
    const { connection, keys, time, packagerId, ownerTimeoutMs } = this.#dependencies;
    const highest = this.#highestEpoch(partition);
    const epoch = await connection.run(
      TAKE,
      [keys.in(partition, "owner")],
      [time(), packagerId, `${ownerTimeoutMs}`, `${highest}`],
    );
    if (epoch !== null) this.#see(partition, [packagerId, epoch]);
  }

  async #release(partition: number, epoch: number): Promise<void> {
    const { connection, keys, packagerId, conclude } = this.#dependencies;
    this.#owned.delete(partition);
    await conclude(partition);
    await connection.run(RELEASE, [keys.in(partition, "owner")], [packagerId, `${epoch}`]);
  }
}
