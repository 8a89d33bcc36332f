import type { Counters } from "./counters.ts";
import { Api } from "./api/router.ts";
import { applyAppChange } from "./app-changes.ts";
import { drainSockets, type DrainProgress } from "./drain.ts";
import { fanOut } from "./fan-out.ts";
import { Gateway } from "./gateway.ts";
import { Healing } from "./healing.ts";
import { Listener, type Endpoint } from "./listener.ts";
import { Liveness } from "./liveness.ts";
import { Node, type NodeDependencies } from "./node.ts";
import { SlowReaders } from "./slow-readers.ts";

/** What a node holds of one app at this moment, and what it did for it so far. */
export interface TenantFigures {
  readonly appId: string;
  readonly connections: number;
  readonly channels: number;
  readonly subscriptions: number;
  readonly counters: Counters;
}

/**
 * The channels ring: sockets, channels and the HTTP API of one process.
 *
 *   new ──listen──▶ serving ──drain──▶ draining ──close──▶ closed
 *
 * While draining it serves publishes and sockets as before; only that its sockets are closed one after the other, and that, from
 * `dismiss` on, HTTP connections end with their next answer.
 */
export class Channels {
  readonly #node: Node;
  readonly #liveness: Liveness;
  readonly #slowReaders: SlowReaders;
  readonly #listener: Listener;
  readonly #healing: Healing;
  readonly #endApps: () => void;

  constructor(dependencies: NodeDependencies) {
    const node = new Node(dependencies);
    this.#node = node;
    this.#liveness = new Liveness(node);
    this.#slowReaders = new SlowReaders(node);
    this.#listener = new Listener(
      node,
      new Gateway(node, this.#liveness, this.#slowReaders),
      new Api(node),
    );
    const receive = fanOut(node, this.#listener, this.#slowReaders);
    this.#healing = new Healing(node, receive);
    node.bus.receive(receive);
    node.bus.onMissed((appId, channel) => this.#healing.missed(appId, channel));
    this.#endApps = node.apps.onChange((change) => applyAppChange(node, change));
    this.#liveness.start();
  }

  get connections(): number {
    return this.#node.sessions.size;
  }

  /** Answers the port, which the system chose if the endpoint says 0. Throws when it is taken. */
  listen(endpoint: Endpoint): number {
    return this.#listener.listen(endpoint);
  }

  renewTls(endpoint: Endpoint): void {
    this.#listener.renewTls(endpoint);
  }

  figures(): TenantFigures[] {
    return Array.from(this.#node.tenants.values(), (tenant) => {
      let subscriptions = 0;
      for (const channel of tenant.channels.values()) subscriptions += channel.subscribers;
      return {
        appId: tenant.id,
        connections: this.#node.sessions.ofApp(tenant.id).size,
        channels: tenant.channels.size,
        subscriptions,
        counters: tenant.counters,
      };
    });
  }

  /** The process will stop: keepers of HTTP connections are asked with each answer to let go of theirs. */
  dismiss(): void {
    this.#listener.dismiss();
  }

  /** Closes all sockets over the window, then stops listening; resolves when no socket is left. */
  drain(windowMs: number, onProgress: (progress: DrainProgress) => void): Promise<void> {
    let isListening = true;
    return drainSockets(this.#node, windowMs, (progress) => {
      if (isListening && progress.windowLeftMs === 0) {
        isListening = false;
        void this.#listener.stop();
      }
      onProgress(progress);
    });
  }

  /** Stops listening, answers what has come in whole, and lets go of the ports. */
  async close(): Promise<void> {
    await this.#listener.close();
    this.#release();
  }

  /** Cuts everything at once. */
  async destroy(): Promise<void> {
    this.#release();
    await this.#listener.destroy();
  }

  #release(): void {
    this.#endApps();
    this.#healing.close();
    this.#liveness.close();
    this.#slowReaders.close();
  }
}
