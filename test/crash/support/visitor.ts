import type { TestApp } from "../../e2e/support/apps.ts";
import { RawClient, RawWebSocket } from "../../e2e/support/raw-web-socket.ts";
import { eventually, pause } from "../../e2e/support/wait.ts";
import { Chance } from "./chance.ts";

const MAX_PAUSE_MS = 500;

/**
 * One browser that comes and goes on the channels of its neighbourhood, and comes back by itself when the server is gone.
 *
 *   away ──connected──▶ here: joins what it wants, then joins and leaves ──the socket is gone──▶ away
 */
export class Visitor {
  readonly userId: string;
  readonly wanted = new Set<string>();
  readonly #app: TestApp;
  /** Of all nodes: it comes to any of them. */
  readonly #ports: readonly number[];
  readonly #neighbourhood: readonly string[];
  readonly #chance: Chance;
  readonly #life: Promise<void>;
  #client: RawClient | undefined;
  #lastToggled: string | undefined;
  #state: "roaming" | "resting" | "gone" = "roaming";

  constructor(
    app: TestApp,
    {
      name,
      userId,
      ports,
    }: { readonly name: string; readonly userId: string; readonly ports: readonly number[] },
    neighbourhood: readonly string[],
  ) {
    this.userId = userId;
    this.#app = app;
    this.#ports = ports;
    this.#neighbourhood = neighbourhood;
    this.#chance = new Chance(`visitor ${name}`);
    for (const channel of neighbourhood) if (this.#chance.oneIn(2)) this.wanted.add(channel);
    this.#life = this.#live();
  }

  /** Changes its mind no more. Resolves when the server has acknowledged that it is where it wants to be. */
  async rest(): Promise<void> {
    this.#state = "resting";
    const client = await this.#settled();
    for (const channel of this.wanted) {
      const isThere = client.socket.messages.all.some(
        (message) =>
          message.event === "pusher_internal:subscription_succeeded" && message.channel === channel,
      );
      if (!isThere) throw new Error(`${this.userId} was not let onto ${channel}`);
    }
  }

  async leave(): Promise<void> {
    this.#state = "gone";
    this.#client?.socket.destroy();
    await this.#life;
  }

  /** The connection on which it is, when the server has worked on all that it said; not one that it has just broken off. */
  async #settled(): Promise<RawClient> {
    for (;;) {
      const client = await eventually("a visitor is back", () => this.#client);
      const { socket } = client;
      const isSettled = socket.settled().then(() => true);
      if (await Promise.race([isSettled, socket.closed.then(() => false)])) return client;
    }
  }

  async #live(): Promise<void> {
    while (this.#state !== "gone") {
      const client = await this.#connect();
      if (client === undefined) {
        await pause(this.#chance.between(20, 120));
        continue;
      }
      for (const channel of this.wanted) this.#join(client, channel);
      this.#client = client;
      const closed = client.socket.closed.then(() => {
        this.#client = undefined;
      });
      while (this.#state === "roaming" && client.socket.isOpen) {
        await Promise.race([pause(this.#chance.below(MAX_PAUSE_MS)), closed]);
        if (this.#state === "roaming" && client.socket.isOpen) this.#act(client);
      }
      await closed;
      // Most are back before the three seconds are over that a leaving waits; these are not.
      if (this.#chance.oneIn(8)) await pause(this.#chance.between(2_500, 5_000));
    }
  }

  /** Undefined where the server is not there, or goes meanwhile. */
  async #connect(): Promise<RawClient | undefined> {
    const { key } = this.#app;
    try {
      const port = this.#ports[this.#chance.below(this.#ports.length)] ?? 0;
      const socket = await RawWebSocket.open({ port, key });
      const gone = socket.closed.then(() => undefined);
      const greeting = await Promise.race([socket.data("pusher:connection_established"), gone]);
      if (greeting === undefined) return undefined;
      const { socket_id: socketId } = greeting as { socket_id: string };
      return new RawClient(socket, socketId, this.#app);
    } catch {
      return undefined;
    }
  }

  #act(client: RawClient): void {
    if (this.#chance.oneIn(40)) {
      client.socket.destroy();
      return;
    }
    const isSecondThought = this.#lastToggled !== undefined && this.#chance.oneIn(2);
    const place = this.#chance.below(this.#neighbourhood.length);
    const channel = isSecondThought ? this.#lastToggled : this.#neighbourhood[place];
    if (channel === undefined) return;
    this.#lastToggled = channel;
    if (this.wanted.delete(channel)) client.unsubscribe(channel);
    else {
      this.wanted.add(channel);
      this.#join(client, channel);
    }
  }

  #join(client: RawClient, channel: string): void {
    const member = channel.startsWith("presence-") ? { user_id: this.userId } : undefined;
    client.askToSubscribe(channel, member);
  }
}
