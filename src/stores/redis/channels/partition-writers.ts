import { PartitionWriter, type WriterDependencies } from "./partition-writer.ts";

/** The writers of one node, a partition each. */
export class PartitionWriters {
  readonly #writers: readonly PartitionWriter[];
  readonly #dependencies: WriterDependencies;

  constructor(dependencies: WriterDependencies) {
    this.#dependencies = dependencies;
    this.#writers = Array.from(
      { length: dependencies.keys.partitions },
      (_, partition) => new PartitionWriter(partition, dependencies),
    );
  }

  /** Writes that wait for the store. */
  get waiting(): number {
    return this.#writers.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** Of the partition in which the app's channel is. */
  of(appId: string, channel: string): PartitionWriter {
    return this.at(this.#dependencies.keys.partitionOf(appId, channel));
  }

  at(partition: number): PartitionWriter {
    const writer = this.#writers[partition];
    if (writer === undefined) throw new Error(`There is no partition ${partition}.`);
    return writer;
  }

  /** Looks whether the store still has what was written. */
  async verify(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.verify()));
  }

  /** Resolves when nothing waits any more. */
  async rest(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.rest()));
  }

  close(): void {
    for (const writer of this.#writers) writer.close();
  }
}
