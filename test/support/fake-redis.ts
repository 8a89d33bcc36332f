import { createServer, type Server, type Socket } from "node:net";
import {
  ErrorReply,
  ReplyParser,
  type ParsedReply,
} from "../../src/stores/redis/client/reply-parser.ts";

/** What a server answers: nothing, ever, where it is undefined. Several replies stand behind each other. */
export type Answer = string | undefined;
export type Script = (command: readonly string[], connection: FakeConnection) => Answer;

export interface FakeConnection {
  /** Counted from 1. */
  readonly number: number;
  /** What nobody asked for. */
  push(reply: string): void;
  drop(): void;
}

export const OK = "+OK\r\n";
export const PONG = "+PONG\r\n";

export function error(message: string): string {
  return `-${message}\r\n`;
}

export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

export function list(...items: readonly (string | number)[]): string {
  const replies = items.map((item) => (typeof item === "number" ? `:${item}\r\n` : bulk(item)));
  return `*${items.length}\r\n${replies.join("")}`;
}

export interface Info {
  readonly version?: string;
  readonly role?: "master" | "slave";
  readonly isCluster?: boolean;
  readonly isLoading?: boolean;
}

export function info({
  version = "7.0.15",
  role = "master",
  isCluster = false,
  isLoading = false,
}: Info = {}): string {
  const lines = [
    "# Server",
    `redis_version:${version}`,
    `loading:${isLoading ? 1 : 0}`,
    `role:${role}`,
    `cluster_enabled:${isCluster ? 1 : 0}`,
  ];
  return bulk(lines.join("\r\n"));
}

/** Every command it got, and answers to them that a test makes up. */
export class FakeRedis {
  readonly commands: (readonly string[])[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** May be replaced at any time. */
  script: Script;
  #connections = 0;
  #port = 0;

  private constructor(script: Script) {
    this.script = script;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** A greeting is answered as a server in good health does, unless the script has an answer to it. */
  static async start(script: Script): Promise<FakeRedis> {
    const fake = new FakeRedis(script);
    await fake.listen();
    return fake;
  }

  get port(): number {
    return this.#port;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#connections;
  }

  sent(name: string): (readonly string[])[] {
    return this.commands.filter(([first]) => first === name);
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    const connection: FakeConnection = {
      number: ++this.#connections,
      push: (reply) => socket.write(reply),
      drop: () => socket.destroy(),
    };
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    const parser = new ReplyParser((parsed) => {
      const command = commandOf(parsed);
      this.commands.push(command);
      const answer = this.script(command, connection);
      if (answer !== undefined && !socket.destroyed) socket.write(answer);
    });
    socket.on("data", (piece: Buffer) => parser.write(piece));
  }
}

/** Commands have the shape of a reply. */
function commandOf(parsed: ParsedReply): readonly string[] {
  if (!Array.isArray(parsed) || parsed instanceof ErrorReply) throw new Error("no command");
  return parsed.map(String);
}
