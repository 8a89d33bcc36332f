import type { TestApp } from "../../e2e/support/apps.ts";
import type { Publisher } from "../../drain/support/publisher.ts";
import { TICK } from "../../drain/support/publisher.ts";
import { RawClient, RawWebSocket } from "../../e2e/support/raw-web-socket.ts";
import { pause } from "../../e2e/support/wait.ts";

export interface Heard {
  readonly channel: string;
  readonly number: number;
  readonly atMs: number;
}

/** Sockets that note when they hear of each publish, on their way from pod to pod. */
export class Ears {
  readonly heard: Heard[] = [];
  readonly #app: TestApp;
  readonly #port: number;
  readonly #sockets = new Set<RawWebSocket>();
  readonly #working: Promise<void>[];
  #isStopped = false;

  /** One socket a channel. */
  constructor(app: TestApp, port: number, channels: readonly string[]) {
    this.#app = app;
    this.#port = port;
    this.#working = channels.map((channel) => this.#listen(channel));
  }

  /** How long publishes took from being sent to being heard, those that were sent in this time. */
  latenciesMs(publishers: readonly Publisher[], fromMs: number, toMs: number): number[] {
    const sentAtMs = new Map(
      publishers.flatMap(({ channel, publishes }) =>
        publishes
          .filter((publish) => publish.sentAtMs >= fromMs && publish.sentAtMs < toMs)
          .map((publish): [string, number] => [`${channel} ${publish.number}`, publish.sentAtMs]),
      ),
    );
    return this.heard.flatMap(({ channel, number, atMs }) => {
      const sent = sentAtMs.get(`${channel} ${number}`);
      return sent === undefined ? [] : [atMs - sent];
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#working);
  }

  async #listen(channel: string): Promise<void> {
    while (!this.#isStopped) {
      const socket = await this.#open().catch(() => undefined);
      if (socket === undefined) {
        await pause(1_000);
        continue;
      }
      this.#sockets.add(socket);
      socket.messages.each((message) => {
        if (message.event !== TICK || message.channel !== channel) return;
        this.heard.push({ channel, number: Number(message.data), atMs: performance.now() });
      });
      new RawClient(socket, "", this.#app).askToSubscribe(channel);
      const { code } = await socket.closed;
      this.#sockets.delete(socket);
      if (code < 4_200 || code > 4_299) await pause(1_000);
    }
  }

  #open(): Promise<RawWebSocket> {
    return RawWebSocket.open({ port: this.#port, key: this.#app.key });
  }
}
