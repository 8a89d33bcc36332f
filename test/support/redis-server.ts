import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createClient } from "@redis/client";

/** RINGMASTER_REDIS_SERVER names another program, a Valkey for example. */
export const REDIS_SERVER = process.env["RINGMASTER_REDIS_SERVER"] ?? "redis-server";

const READY = /Ready to accept connections/;
const LISTENING = /Server initialized/;

export function isInstalled(program: string): boolean {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .some((folder) => existsSync(join(folder, program)));
}

export interface RedisServerOptions {
  /** As on the command line, without the dashes. */
  readonly config?: Readonly<Record<string, string>>;
  /** What it was when the server was stopped is there when it starts again. */
  readonly isLasting?: boolean;
  readonly program?: string;
  /** Whether the port is open to TLS alone. */
  readonly hasTls?: boolean;
}

/** A server of its own, in a folder of its own, whose port stays the same when it is started again. */
export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #options: RedisServerOptions;
  #child: ChildProcess | undefined;

  private constructor(port: number, options: RedisServerOptions) {
    this.port = port;
    this.folder = mkdtempSync(join(tmpdir(), "ringmaster-redis-"));
    folders.add(this.folder);
    this.#options = options;
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), options);
    await server.start();
    return server;
  }

  /** Resolves when it serves, or as soon as it listens, its data not loaded yet. */
  async start({ isToBeReady = true } = {}): Promise<void> {
    const { config = {}, isLasting = false, program = REDIS_SERVER, hasTls } = this.#options;
    const settings: Record<string, string> = {
      ...(hasTls === true ? { port: "0", "tls-port": `${this.port}` } : { port: `${this.port}` }),
      bind: "127.0.0.1",
      save: "",
      appendonly: isLasting ? "yes" : "no",
      dir: this.folder,
      ...config,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    if (child.pid !== undefined) running.add(child.pid);
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => {
        if (child.pid !== undefined) running.delete(child.pid);
        reject(new Error(`${program} ended with ${code}: ${said}`));
      });
      for (const stream of [child.stdout, child.stderr])
        stream?.on("data", (text: Buffer) => {
          said += text;
          if ((isToBeReady ? READY : LISTENING).test(said)) resolve();
        });
    });
  }

  /** Ends it at this instant. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** It stands still, its connections open. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** One command, on a connection of its own. */
  async command(...args: string[]): Promise<unknown> {
    return commandAt(this.port, args, this.#options.config?.["requirepass"]);
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }
}

export async function commandAt(port: number, args: string[], password?: string): Promise<unknown> {
  const client = createClient({
    RESP: 2,
    ...(password === undefined ? {} : { password }),
    socket: { host: "127.0.0.1", port, reconnectStrategy: false },
  });
  client.on("error", () => {});
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

const running = new Set<number>();
const folders = new Set<string>();

// A test file must leave no server behind, even when it is cut off.
process.on("exit", () => {
  for (const pid of running) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended between the look and the signal.
    }
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
