import { createConnection, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Child } from "./child.ts";
import type { Message } from "./request-file.ts";

export type ContestantName =
  | "ringmaster"
  | "ringmaster, counting"
  | "soketi"
  | "limit"
  | "clown"
  | "keep-alive clown"
  | "bare POST";

export interface Server {
  readonly child: Child;
  readonly port: number;
}

export interface Contestant {
  readonly name: ContestantName;
  /** Resolves once it accepts connections; rejects with what it said on stderr. */
  start(): Promise<Server>;
  /** The bytes of an HTTP request that makes it deliver these messages. */
  publishRequest(messages: readonly Message[]): Buffer;
}

const START_TIMEOUT_MS = 30_000;

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

export async function untilListening(child: Child, port: number): Promise<Server> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (child.ended) throw new Error(`did not start: ${child.lastWords}`);
    if (performance.now() > deadlineMs) {
      await child.stop();
      throw new Error(`does not listen after ${START_TIMEOUT_MS} ms: ${child.lastWords}`);
    }
    await sleep(50);
  }
  return { child, port };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
