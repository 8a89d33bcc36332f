import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import type {
  RedisConnection,
  RedisSubscriber,
  Reply,
  SubscriptionListener,
} from "../../src/stores/redis/connection.ts";
import type { Script } from "../../src/stores/redis/script.ts";

/** A server of its own, empty, on a free port. */
export async function startRedis(): Promise<{ port: number; stop(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), "ringmaster-redis-"));
  const port = await freePort();
  const child: ChildProcess = spawn(
    "redis-server",
    ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", dir],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    child.stdout?.on("data", (text: Buffer) => {
      if (text.includes("Ready to accept connections")) resolve();
    });
  });
  return {
    port,
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The simplest connection that is one: a server that stays. */
export async function connectPlainly(port: number): Promise<RedisConnection> {
  const client = createClient({ RESP: 2, socket: { port, host: "127.0.0.1" } });
  client.on("error", () => {});
  await client.connect();
  const send = (args: string[]): Promise<Reply> => client.sendCommand<Reply>(args);
  return {
    async run(script: Script, keys, args) {
      const rest = [`${keys.length}`, ...keys, ...args];
      try {
        return await send(["EVALSHA", script.hash, ...rest]);
      } catch (error) {
        if (!String(error).includes("NOSCRIPT")) throw error;
        return send(["EVAL", script.source, ...rest]);
      }
    },
    async publish(channel, message) {
      await send(["SPUBLISH", channel, message]);
    },
    subscriber: (listener) => subscribePlainly(port, listener),
    isWell: true,
    async close() {
      client.destroy();
    },
  };
}

function subscribePlainly(port: number, { message }: SubscriptionListener): RedisSubscriber {
  const client = createClient({ RESP: 2, socket: { port, host: "127.0.0.1" } });
  client.on("error", () => {});
  const connected = client.connect();
  return {
    async subscribe(channel) {
      await connected;
      await client.sSubscribe(channel, (text, from) => message(from, text));
    },
    unsubscribe: (channel) => void connected.then(() => client.sUnsubscribe(channel)),
    isWell: true,
    async close() {
      await connected;
      client.destroy();
    },
  };
}

function freePort(): Promise<number> {
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
