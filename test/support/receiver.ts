import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** One request, and the socket to answer it on. */
export interface Heard {
  readonly head: string;
  readonly body: string;
  readonly socket: Socket;
  /** Of its connection: 1 for the first. */
  readonly place: number;
}

const HEAD_END = "\r\n\r\n";

/**
 * A customer's server, down to the bytes: a test says what it does with a connection or a request, however hostile.
 *
 * It counts what transports like to hide: connections, and every request that came, answered or not.
 */
export class Receiver {
  readonly heard: Heard[] = [];
  connections = 0;
  /** The names that were asked for in TLS. */
  readonly serverNames: (string | false)[] = [];
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #waiting: { readonly isSo: () => boolean; readonly resolve: () => void }[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Answers each request by the function; without one it only listens. */
  static async listen(
    answer: (heard: Heard) => void = () => {},
    {
      host = "127.0.0.1",
      port = 0,
      onConnection = () => {},
      tls,
    }: {
      readonly host?: string;
      readonly port?: number;
      readonly onConnection?: (socket: Socket) => void;
      readonly tls?: TlsOptions;
    } = {},
  ): Promise<Receiver> {
    const accept = (socket: Socket): void => receiver.#accept(socket, answer, onConnection);
    const server =
      tls === undefined
        ? createServer({ noDelay: true }, accept)
        : createTlsServer(tls, (socket) => {
            receiver.serverNames.push(
              "servername" in socket ? (socket.servername as string | false) : false,
            );
            accept(socket);
          });
    server.on("tlsClientError", () => {});
    const receiver = new Receiver(server);
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    return receiver;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("It does not listen.");
    return address.port;
  }

  /** Connections that the sender still has. */
  get open(): number {
    return this.#open.size;
  }

  async until(isSo: () => boolean): Promise<void> {
    if (!isSo()) await new Promise<void>((resolve) => this.#waiting.push({ isSo, resolve }));
  }

  closeConnections(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closeConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(
    socket: Socket,
    answer: (heard: Heard) => void,
    onConnection: (socket: Socket) => void,
  ): void {
    this.connections++;
    this.#open.add(socket);
    let received = Buffer.alloc(0);
    let place = 0;
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#open.delete(socket);
      this.#changed();
    });
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const headBytes = received.indexOf(HEAD_END);
        if (headBytes === -1) return;
        const head = received.subarray(0, headBytes).toString("latin1");
        const bodyBytes = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
        const end = headBytes + HEAD_END.length + bodyBytes;
        if (received.length < end) return;
        const body = received.subarray(headBytes + HEAD_END.length, end).toString("utf8");
        received = received.subarray(end);
        const heard = { head, body, socket, place: ++place };
        this.heard.push(heard);
        answer(heard);
        this.#changed();
      }
    });
    onConnection(socket);
    this.#changed();
  }

  #changed(): void {
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.isSo()) waiting.resolve();
      else this.#waiting.push(waiting);
    }
  }
}

/** Answers with a status and a body whose length is said. */
export function answering(status = 200, body = "ok", headers = ""): (heard: Heard) => void {
  const answer = `HTTP/1.1 ${status} Any\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  return ({ socket }) => socket.write(answer);
}

/** Answers with these bytes, and leaves the connection as it is. */
export function saying(text: string | Uint8Array): (heard: Heard) => void {
  return ({ socket }) => socket.write(text);
}
