import type { TestApp } from "../../e2e/support/apps.ts";
import { RawClient, RawWebSocket } from "../../e2e/support/raw-web-socket.ts";
import type { Owed } from "./owed.ts";
import { pause } from "../../e2e/support/wait.ts";

const RETRY_MS = 1_000;
/** Then a new connection, for those that stay long keep all that they were told. */
const VISITS_A_CONNECTION = 50;

/** Somebody was on a channel that nobody else is ever on. */
export interface Visit {
  readonly channel: string;
  /** When the server said so: from then on its beginning and its end are owed to the customer. */
  readonly joinedAtMs: number;
}

/**
 * Sockets that go from channel to channel, each onto one of its own: every visit is an occupied and a vacated event, so that
 * many of them are a steady load of webhooks.
 */
export class Visitors {
  readonly visits: Visit[] = [];
  readonly #app: TestApp;
  readonly #port: number;
  readonly #owed: Owed;
  readonly #stayMs: number;
  readonly #working: Promise<void>[];
  #number = 0;
  #isStopped = false;

  constructor(
    app: TestApp,
    port: number,
    owed: Owed,
    { sockets, stayMs }: { sockets: number; stayMs: number },
  ) {
    this.#app = app;
    this.#port = port;
    this.#owed = owed;
    this.#stayMs = stayMs;
    this.#working = Array.from({ length: sockets }, () => this.#wander());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#working);
  }

  async #wander(): Promise<void> {
    while (!this.#isStopped) {
      try {
        const socket = await RawWebSocket.open({ port: this.#port, key: this.#app.key });
        const gone = socket.closed.then(() => undefined);
        const greeting = await Promise.race([socket.data("pusher:connection_established"), gone]);
        if (greeting === undefined) continue;
        const { socket_id: socketId } = greeting as { socket_id: string };
        await this.#visit(new RawClient(socket, socketId, this.#app));
        socket.destroy();
      } catch {
        await pause(RETRY_MS);
      }
    }
  }

  /** Until the connection ends, or it is over. */
  async #visit(client: RawClient): Promise<void> {
    const { socket } = client;
    for (let visit = 0; visit < VISITS_A_CONNECTION && !this.#isStopped && socket.isOpen; visit++) {
      const channel = `visit-${this.#app.id}-${this.#number++}`;
      client.askToSubscribe(channel);
      const joined = await Promise.race([
        socket.message("pusher_internal:subscription_succeeded", channel).then(() => true),
        socket.closed.then(() => false),
      ]);
      if (!joined) return;
      this.visits.push({ channel, joinedAtMs: performance.now() });
      this.#owed.visit(channel);
      await pause(this.#stayMs * (0.5 + Math.random()));
      socket.send({ event: "pusher:unsubscribe", data: { channel } });
    }
  }
}
