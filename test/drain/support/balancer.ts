import {
  createServer,
  connect as connectTcp,
  type AddressInfo,
  type Server,
  type Socket,
} from "node:net";
import type { Ringmaster } from "../../e2e/support/ringmaster.ts";
import { eventually, pause } from "../../e2e/support/wait.ts";

const LOOK_INTERVAL_MS = 200;

/**
 * A load balancer as a list of endpoints makes one: new connections go in turn to the nodes whose readiness was good when
 * it looked last; those that stand are left alone.
 */
export class Balancer {
  readonly #server: Server;
  readonly #nodes = new Set<Ringmaster>();
  readonly #sockets = new Set<Socket>();
  #ready: readonly Ringmaster[] = [];
  #turn = 0;
  #isClosed = false;
  readonly #looking: Promise<void>;

  private constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#carry(client));
    this.#looking = this.#look();
  }

  static async listen(): Promise<Balancer> {
    const balancer = new Balancer();
    await new Promise<void>((resolve) => balancer.#server.listen(0, "127.0.0.1", 1_024, resolve));
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when connections go to it. */
  async add(node: Ringmaster): Promise<void> {
    this.#nodes.add(node);
    void node.exited.then(() => this.#nodes.delete(node));
    await eventually("the balancer finds the node ready", () => this.#ready.includes(node));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([closed, this.#looking]);
  }

  async #look(): Promise<void> {
    while (!this.#isClosed) {
      const nodes = [...this.#nodes];
      const isReady = await Promise.all(
        nodes.map((node) =>
          node.ops("/readyz").then(
            ({ ok }) => ok,
            () => false,
          ),
        ),
      );
      this.#ready = nodes.filter((_, place) => isReady[place]);
      await pause(LOOK_INTERVAL_MS);
    }
  }

  #carry(client: Socket): void {
    const node = this.#ready[this.#turn++ % this.#ready.length];
    if (node === undefined) {
      client.destroy();
      return;
    }
    const server = connectTcp({ host: "127.0.0.1", port: node.port, allowHalfOpen: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroySoon();
      });
      socket.pipe(other);
    }
  }
}
