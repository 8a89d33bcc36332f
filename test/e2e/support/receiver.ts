import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TestContext } from "node:test";
import type { TLSSocket } from "node:tls";
import { hmac } from "../../support/signing.ts";
import { answering, type Answer } from "./answers.ts";
import type { Call, ToldEvent } from "./call.ts";
import type { TestApp } from "./apps.ts";
import type { Certificate } from "./certificates.ts";
import { Inbox } from "./inbox.ts";
import { within } from "./wait.ts";

export interface ReceiverOptions {
  /** Whose webhooks it takes: one that none of their active keys signed is a fault. */
  readonly apps: readonly TestApp[];
  readonly answer?: Answer;
  readonly tls?: Certificate;
  /** An address of this machine, where it is not the loopback one. */
  readonly host?: string;
}

/**
 * A customer's endpoint: keeps every webhook that comes, checks what the contract promises of each, and answers as the test
 * says.
 */
export class Receiver {
  readonly calls = new Inbox<Call>();
  /** Of the calls that were answered with 2xx, of each id the first: as a customer counts who minds that some come twice. */
  readonly events = new Inbox<ToldEvent>();
  /** What was wrong with a call, in the receiver's eyes. */
  readonly faults: string[] = [];
  /** Names that were asked for in TLS. */
  readonly serverNames: (string | false)[] = [];
  connections = 0;
  answer: Answer;
  readonly #options: ReceiverOptions;
  readonly #secrets: ReadonlyMap<string, string>;
  readonly #sockets = new Set<Socket>();
  readonly #taken = new Set<string>();
  #server: Server;
  #port = 0;

  private constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#secrets = new Map(
      options.apps.flatMap(({ entry }) =>
        entry.keys
          .filter(({ active }) => active !== false)
          .map(({ key, secret }): [string, string] => [key, secret]),
      ),
    );
    this.answer = options.answer ?? answering(200);
    this.#server = this.#makeServer();
  }

  static async listen(options: ReceiverOptions): Promise<Receiver> {
    const receiver = new Receiver(options);
    await receiver.#listen();
    return receiver;
  }

  get port(): number {
    return this.#port;
  }

  url(path = "/"): string {
    const { host, tls } = this.#options;
    const place = tls === undefined ? `http://${host ?? "127.0.0.1"}` : "https://localhost";
    return `${place}:${this.#port}${path}`;
  }

  callsTo(path: string): readonly Call[] {
    return this.calls.all.filter((call) => call.path === path);
  }

  call(fits: (call: Call) => boolean = () => true, ms?: number): Promise<Call> {
    return this.calls.take("a webhook", fits, ms);
  }

  /** The next event of that name, and of that channel where one is given, that was taken with 2xx. */
  event(name: string, channel?: string, ms?: number): Promise<ToldEvent> {
    const what = channel === undefined ? name : `${name} of ${channel}`;
    return this.events.take(
      `${what}; faults: ${JSON.stringify(this.faults)}`,
      (it) => it.name === name && (channel === undefined || it.channel === channel),
      ms,
    );
  }

  /** `name channel` of the events that were taken, in the order of arrival. */
  told(ofChannel: (channel: string) => boolean = () => true): string[] {
    return this.events.all
      .filter(({ channel }) => ofChannel(channel))
      .map(({ name, channel }) => `${name} ${channel}`);
  }

  /** Breaks every connection off and listens no more. */
  async goDown(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await within("the receiver ends", closed);
  }

  /** Listens again where it did before. */
  async comeBack(): Promise<void> {
    this.#server = this.#makeServer();
    await this.#listen();
  }

  /** Throws where a webhook was not as the contract says. */
  async close(): Promise<void> {
    if (this.#server.listening) await this.goDown();
    if (this.faults.length > 0) throw new Error(`webhooks were wrong: ${this.faults.join("; ")}`);
  }

  #makeServer(): Server {
    const { tls } = this.#options;
    const listener = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#receive(request, response);
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    // It is the sender that gives a connection up: a close of ours that crosses a request would be a fault of another kind.
    server.keepAliveTimeout = 0;
    server.on("connection", (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    server.on("secureConnection", ({ servername }: TLSSocket & { servername: string | false }) =>
      this.serverNames.push(servername),
    );
    return server;
  }

  async #listen(): Promise<void> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, this.#options.host ?? "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // Broken off half-way: no webhook.
    }
    const body = Buffer.concat(chunks).toString("utf8");
    const { headers, url = "" } = request;
    const fault = this.#faultOf(request, body);
    if (fault !== undefined) {
      this.faults.push(`${fault}: ${JSON.stringify(headers)} ${body}`);
      response.writeHead(400).end(fault);
      return;
    }
    const { events } = JSON.parse(body) as { events: readonly ToldEvent[] };
    const id = String(headers["webhook-id"]);
    const call = { atMs: performance.now(), path: url, headers, body, id, events };
    response.on("error", () => {});
    response.on("finish", () => {
      if (response.statusCode < 200 || response.statusCode >= 300 || this.#taken.has(id)) return;
      this.#taken.add(id);
      for (const event of events) this.events.push(event);
    });
    this.calls.push(call);
    this.answer(call, response);
  }

  #faultOf({ method, headers }: IncomingMessage, body: string): string | undefined {
    if (method !== "POST") return `the method is ${method}`;
    if (headers["content-type"] !== "application/json") return "the content-type is another";
    const secret = this.#secrets.get(String(headers["x-pusher-key"]));
    if (secret === undefined) return "the key is none of the app's";
    if (headers["x-pusher-signature"] !== hmac(secret, body)) return "the signature is wrong";
    if (!/^job_[0-9a-f]{32}$/.test(String(headers["webhook-id"]))) return "it has no webhook-id";
    const parsed = JSON.parse(body) as { time_ms: unknown; events: unknown[] };
    if (Object.keys(parsed).join() !== "time_ms,events") return "the body has other fields";
    if (!Number.isInteger(parsed.time_ms)) return "time_ms is no time";
    const sequences = String(headers["ringmaster-sequence"]).split(",");
    if (sequences.length !== parsed.events.length || !sequences.every((text) => /^\d+$/.test(text)))
      return "ringmaster-sequence has not a place for each event";
    return undefined;
  }
}

/** Listens for one test, and has its faults told at its end. */
export async function receiverFor(
  t: TestContext,
  options: ReceiverOptions | TestApp,
): Promise<Receiver> {
  const receiver = await Receiver.listen("apps" in options ? options : { apps: [options] });
  t.after(() => receiver.close());
  return receiver;
}
