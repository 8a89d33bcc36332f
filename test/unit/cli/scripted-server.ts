import type { Server, ServerWebSocket } from "bun";

export interface ScriptedSocket {
  /** Which connection this is, from 1. */
  readonly number: number;
  send(message: object): void;
  /** Says who the client is. */
  establish(activityTimeoutSeconds?: number): void;
  close(code: number, reason?: string): void;
}

export interface Script {
  opened(socket: ScriptedSocket): void;
  received?(
    socket: ScriptedSocket,
    message: { readonly event: string; readonly data: unknown },
  ): void;
}

/** A server that does to its sockets what the test says: close them with a code, fall silent, ping. */
export class ScriptedServer implements AsyncDisposable {
  readonly #server: Server<{ readonly number: number }>;
  /** When each connection was opened, in milliseconds of `performance.now()`. */
  readonly openedAtMs: number[] = [];

  constructor(script: Script) {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => {
        this.openedAtMs.push(performance.now());
        const number = this.openedAtMs.length;
        return server.upgrade(request, { data: { number } })
          ? undefined
          : new Response("no socket", { status: 400 });
      },
      websocket: {
        data: {} as { readonly number: number },
        open: (socket) => script.opened(handle(socket)),
        message: (socket, text) => script.received?.(handle(socket), JSON.parse(String(text))),
      },
    });
  }

  get env(): Record<string, string> {
    return { RINGMASTER_URL: `http://key:secret@127.0.0.1:${this.#server.port}/apps/1` };
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.#server.port}/app/key`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}

function handle(socket: ServerWebSocket<{ readonly number: number }>): ScriptedSocket {
  const send = (message: object): void => void socket.send(JSON.stringify(message));
  return {
    number: socket.data.number,
    send,
    establish(activityTimeoutSeconds = 120) {
      const data = {
        socket_id: `1.${socket.data.number}`,
        activity_timeout: activityTimeoutSeconds,
      };
      send({ event: "pusher:connection_established", data: JSON.stringify(data) });
    },
    close: (code, reason) => socket.close(code, reason),
  };
}
