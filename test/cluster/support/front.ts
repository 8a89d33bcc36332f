import {
  connect as connectTcp,
  createServer,
  type AddressInfo,
  type Server,
  type Socket,
} from "node:net";
import { pause } from "../../e2e/support/wait.ts";

const LOOK_INTERVAL_MS = 1_000;
const LOOK_TIMEOUT_MS = 1_000;
/** Looks in a row without an answer before a node is given up, with all that goes through it. */
const LOOKS_UNTIL_LOST = 2;
const KUBELET_PORT = 10_250;

interface Target {
  readonly host: string;
  /** New connections may go there. */
  isWell: boolean;
  silentLooks: number;
  readonly sockets: Set<Socket>;
}

/**
 * The load balancer that a cloud puts before the nodes of a cluster: new connections go in turn to the nodes whose port
 * answers. A node whose port does not, because its last pod drains, keeps the connections that it has (docs/kubernetes.md says
 * how to have that on AWS); those of a node that is gone are broken off.
 */
export class Front {
  readonly #server: Server;
  readonly #port: number;
  readonly #targets: readonly Target[];
  readonly #looking: Promise<void>;
  #turn = 0;
  #isClosed = false;

  private constructor(hosts: readonly string[], port: number) {
    this.#targets = hosts.map((host) => ({
      host,
      isWell: true,
      silentLooks: 0,
      sockets: new Set(),
    }));
    this.#port = port;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#carry(client));
    this.#looking = this.#look();
  }

  static async listen(hosts: readonly string[], port: number): Promise<Front> {
    const front = new Front(hosts, port);
    await new Promise<void>((resolve) => front.#server.listen(0, "127.0.0.1", 4_096, resolve));
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const { sockets } of this.#targets) for (const socket of sockets) socket.destroy();
    await Promise.all([closed, this.#looking]);
  }

  async #look(): Promise<void> {
    while (!this.#isClosed) {
      await Promise.all(
        this.#targets.map(async (target) => {
          const [isWell, isThere] = await Promise.all([
            answers(target.host, this.#port),
            answers(target.host, KUBELET_PORT),
          ]);
          target.isWell = isWell;
          target.silentLooks = isThere ? 0 : target.silentLooks + 1;
          if (target.silentLooks < LOOKS_UNTIL_LOST) return;
          for (const socket of target.sockets) socket.destroy();
        }),
      );
      await pause(LOOK_INTERVAL_MS);
    }
  }

  #carry(client: Socket): void {
    const well = this.#targets.filter(({ isWell }) => isWell);
    const target = well[this.#turn++ % well.length];
    if (target === undefined) {
      client.destroy();
      return;
    }
    const server = connectTcp({ host: target.host, port: this.#port, allowHalfOpen: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      target.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        target.sockets.delete(socket);
        other.destroySoon();
      });
      socket.pipe(other);
    }
  }
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port, timeout: LOOK_TIMEOUT_MS });
    const end = (isWell: boolean) => (): void => {
      socket.destroy();
      resolve(isWell);
    };
    socket.once("connect", end(true)).once("timeout", end(false)).once("error", end(false));
  });
}
