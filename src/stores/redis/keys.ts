/** How many partitions a new store has. It cannot be changed later: a channel would be in two. */
export const DEFAULT_PARTITIONS = 64;

/**
 * Names of keys. Whatever one script touches has one hash tag, so that it is in one slot of a Cluster:
 *
 *   {0} … {63}   a partition: its channels, members, users and their events
 *   {jobs}       the queue, its dead letters and the attempts
 *   {nodes}      who is there: channels nodes and packagers; the format of the store
 */
export class Keys {
  readonly prefix: string;
  readonly partitions: number;
  readonly #tagPrefixes: readonly string[];

  constructor(prefix: string, partitions: number) {
    this.prefix = prefix;
    this.partitions = partitions;
    this.#tagPrefixes = Array.from({ length: partitions }, (_, number) => `${prefix}:{${number}}:`);
  }

  /** The same for every version of this program, for ever. */
  partitionOf(appId: string, channel: string): number {
    return Bun.hash.crc32(`${appId}/${channel}`) % this.partitions;
  }

  in(partition: number, name: string): string {
    return `${this.#tagPrefixes[partition] ?? this.#tagged(`${partition}`, "")}${name}`;
  }

  /** On which the Bus carries what is published on a channel of an app. */
  busChannel(appId: string, channel: string): string {
    return this.in(this.partitionOf(appId, channel), `bus:${appId}/${channel}`);
  }

  jobs(name: string): string {
    return this.#tagged("jobs", name);
  }

  nodes(name: string): string {
    return this.#tagged("nodes", name);
  }

  #tagged(tag: string, name: string): string {
    return `${this.prefix}:{${tag}}:${name}`;
  }
}
