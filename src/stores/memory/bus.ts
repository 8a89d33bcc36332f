import type { Bus, BusMessage, BusReceiver } from "../../channels/ports/bus.ts";

/**
 * A Bus for one process: a published message is received before `publish` returns.
 *
 * One that is shared by several nodes (tests) is made with `MemoryBus.cluster`.
 */
export class MemoryBus implements Bus {
  readonly #nodes: Set<MemoryBus>;
  readonly #subscriptions = new Set<string>();
  #receiver: BusReceiver | undefined;

  constructor(nodes: Set<MemoryBus> = new Set()) {
    this.#nodes = nodes;
    nodes.add(this);
  }

  static cluster(size: number): MemoryBus[] {
    const nodes = new Set<MemoryBus>();
    return Array.from({ length: size }, () => new MemoryBus(nodes));
  }

  receive(receiver: BusReceiver): void {
    this.#receiver = receiver;
  }

  subscribe(appId: string, channel: string): Promise<void> {
    this.#subscriptions.add(`${appId}/${channel}`);
    return Promise.resolve();
  }

  unsubscribe(appId: string, channel: string): void {
    this.#subscriptions.delete(`${appId}/${channel}`);
  }

  publish(messages: readonly BusMessage[]): Promise<void> {
    for (const message of messages) {
      for (const node of this.#nodes) node.#deliver(message);
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#nodes.delete(this);
    this.#subscriptions.clear();
    return Promise.resolve();
  }

  #deliver(message: BusMessage): void {
    if (this.#subscriptions.has(`${message.appId}/${message.channel}`)) this.#receiver?.(message);
  }
}
