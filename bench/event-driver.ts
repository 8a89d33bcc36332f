import { setTimeout as sleep } from "node:timers/promises";
import { channelSigningText, sign } from "../src/protocol/signature.ts";
import { monotonicNs } from "./cpu-clock.ts";
import { CREDENTIALS } from "./pusher-api.ts";
import { marker } from "./webhook-job.ts";

/** What a client does that a webhook tells of. `id` is found in the event. */
export type Act = (driver: EventDriver, id: number) => void;

const OPEN_TIMEOUT_MS = 10_000;

/** A few WebSocket clients in this program, each on a private channel of its own, that take turns. */
export class EventDriver {
  readonly #sockets: readonly Client[];
  #turn = 0;

  private constructor(sockets: readonly Client[]) {
    this.#sockets = sockets;
  }

  static async open(port: number, sockets: number): Promise<EventDriver> {
    return new EventDriver(
      await Promise.all(
        Array.from({ length: sockets }, (_, index) => Client.open(port, `private-bench-${index}`)),
      ),
    );
  }

  sendClientEvent(id: number): void {
    const { socket, channel } = this.#next();
    const data = { id: marker(id), text: "x".repeat(24) };
    socket.send(JSON.stringify({ event: "client-typing", channel, data }));
  }

  /** Occupies a channel that nobody was on before. */
  occupyChannel(id: number): void {
    const data = { channel: `bench-${marker(id)}` };
    this.#next().socket.send(JSON.stringify({ event: "pusher:subscribe", data }));
  }

  /** Answers the times at which each was written, by `monotonicNs`. */
  actAtOnce(firstId: number, count: number, act: Act): number[] {
    return Array.from({ length: count }, (_, index) => {
      const sentNs = monotonicNs();
      act(this, firstId + index);
      return sentNs;
    });
  }

  /** At random times (Poisson), the same for the same seed; whatever the server does meanwhile. */
  async actPaced(
    firstId: number,
    count: number,
    pace: { readonly perSecond: number; readonly seed: number },
    act: Act,
  ): Promise<number[]> {
    const sentNs: number[] = [];
    const random = randomUnits(pace.seed);
    let dueNs = monotonicNs();
    while (sentNs.length < count) {
      for (
        let nowNs = monotonicNs();
        dueNs <= nowNs && sentNs.length < count;
        nowNs = monotonicNs()
      ) {
        sentNs.push(nowNs);
        act(this, firstId + sentNs.length - 1);
        dueNs += (-Math.log(random()) / pace.perSecond) * 1e9;
      }
      await sleep(1);
    }
    return sentNs;
  }

  close(): void {
    for (const { socket } of this.#sockets) socket.close();
  }

  #next(): Client {
    const client = this.#sockets[this.#turn++ % this.#sockets.length];
    if (client === undefined || client.socket.readyState !== WebSocket.OPEN)
      throw new Error("a socket is closed");
    return client;
  }
}

class Client {
  readonly socket: WebSocket;
  readonly channel: string;

  private constructor(socket: WebSocket, channel: string) {
    this.socket = socket;
    this.channel = channel;
  }

  /** Resolves when it is subscribed. */
  static open(port: number, channel: string): Promise<Client> {
    const { key, secret } = CREDENTIALS;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/app/${key}?protocol=7`);
    const { promise, resolve, reject } = Promise.withResolvers<Client>();
    const timer = setTimeout(() => reject(new Error("a socket does not open")), OPEN_TIMEOUT_MS);
    socket.addEventListener("message", ({ data: text }) => {
      const { event, data } = JSON.parse(String(text));
      if (event === "pusher:connection_established") {
        const socketId: string = JSON.parse(data).socket_id;
        const auth = `${key}:${sign(secret, channelSigningText(socketId, channel))}`;
        socket.send(JSON.stringify({ event: "pusher:subscribe", data: { channel, auth } }));
      } else if (event === "pusher_internal:subscription_succeeded") {
        clearTimeout(timer);
        resolve(new Client(socket, channel));
      } else if (event === "pusher:ping") {
        socket.send(JSON.stringify({ event: "pusher:pong", data: {} }));
      } else if (event === "pusher:error") {
        reject(new Error(`the server says ${JSON.stringify(data)}`));
        socket.close();
      }
    });
    socket.addEventListener("close", () => reject(new Error("the server closed a socket")));
    return promise;
  }
}

/** Greater than 0, at most 1. */
function randomUnits(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 2 ** 32;
  };
}
