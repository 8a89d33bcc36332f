import type { Bus, BusMessage, BusReceiver, MissedListener } from "../../channels/ports/bus.ts";

/** The nodes of one Bus. What they publish while a message is delivered waits its turn: the order is one for all. */
interface Cluster {
  readonly nodes: Set<MemoryBus>;
  readonly waiting: BusMessage[];
  isDelivering: boolean;
}

/**
 * A Bus for one process: a published message is received before `publish` returns.
 *
 * One that is shared by several nodes (tests) is made with `MemoryBus.cluster`.
 */
export class MemoryBus implements Bus {
  readonly #cluster: Cluster;
  readonly #subscriptions = new Set<string>();
  #receiver: BusReceiver | undefined;

  constructor(cluster: Cluster = newCluster()) {
    this.#cluster = cluster;
    cluster.nodes.add(this);
  }

  static cluster(size: number): MemoryBus[] {
    const cluster = newCluster();
    return Array.from({ length: size }, () => new MemoryBus(cluster));
  }

  receive(receiver: BusReceiver): void {
    this.#receiver = receiver;
  }

  /** Never: nothing can be missed within a process. */
  onMissed(_listener: MissedListener): void {}

  subscribe(appId: string, channel: string): Promise<void> {
    this.#subscriptions.add(`${appId}/${channel}`);
    return Promise.resolve();
  }

  unsubscribe(appId: string, channel: string): void {
    this.#subscriptions.delete(`${appId}/${channel}`);
  }

  publish(messages: readonly BusMessage[]): Promise<void> {
    const { nodes } = this.#cluster;
    if (nodes.size > 1) this.#publishInTurn(messages);
    else for (const message of messages) for (const node of nodes) node.#deliver(message);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#cluster.nodes.delete(this);
    this.#subscriptions.clear();
    return Promise.resolve();
  }

  #publishInTurn(messages: readonly BusMessage[]): void {
    const cluster = this.#cluster;
    cluster.waiting.push(...messages);
    if (cluster.isDelivering) return;
    cluster.isDelivering = true;
    for (const message of cluster.waiting) for (const node of cluster.nodes) node.#deliver(message);
    cluster.waiting.length = 0;
    cluster.isDelivering = false;
  }

  #deliver(message: BusMessage): void {
    if (this.#subscriptions.has(`${message.appId}/${message.channel}`)) this.#receiver?.(message);
  }
}

function newCluster(): Cluster {
  return { nodes: new Set(), waiting: [], isDelivering: false };
}
