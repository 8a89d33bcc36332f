import { connect as connectTcp, type Socket } from "node:net";
import { Agent } from "node:http";
import { encodeQuery, signedQuery } from "../../support/signing.ts";
import type { TestApp } from "./apps.ts";
import { callApi } from "./http-api.ts";

/** What became of one publish. */
export type Outcome =
  | "answered"
  /** Nobody listens. */
  | "refused"
  /** The connection ended before a byte of an answer. */
  | "closed"
  /** It ended behind a part of one. */
  | "cut";

export interface Publisher {
  /** Publishes one event of that name on a connection that is kept as long as the server keeps it. */
  publish(name: string): Promise<Outcome>;
  /** Connections that it has made. */
  readonly connections: number;
  close(): void;
}

/** As server libraries publish: with an agent of Node that keeps its connection. */
export function agentPublisher(app: TestApp, port: number, channel: string): Publisher {
  let connections = 0;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const createConnection = agent.createConnection.bind(agent);
  agent.createConnection = (...args) => {
    connections++;
    return createConnection(...args);
  };
  return {
    get connections() {
      return connections;
    },
    async publish(name) {
      try {
        const body = { name, channel, data: "" };
        const { status } = await callApi(app, port, { path: "/events", body, agent });
        if (status !== 200) throw new Error(`publishing was answered ${status}`);
        return "answered";
      } catch (error) {
        const { code = "" } = error as NodeJS.ErrnoException;
        if (code === "ECONNREFUSED") return "refused";
        // "socket hang up" and a reset before the head of an answer are this code, one behind it is "aborted" there.
        if (code === "ECONNRESET" && (error as Error).message !== "aborted") return "closed";
        if (code === "EPIPE") return "closed";
        if (code === "ECONNRESET") return "cut";
        throw error;
      }
    },
    close: () => agent.destroy(),
  };
}

/** As a proxy does that knows no better: writes into the connection until it is closed, and counts every byte that comes. */
export function tcpPublisher(app: TestApp, port: number, channel: string): Publisher {
  let [connections, received] = [0, ""];
  let socket: Socket | undefined;
  let wake: () => void = () => {};

  async function connected(): Promise<Socket | undefined> {
    if (socket !== undefined) return socket;
    const made = connectTcp({ host: "127.0.0.1", port });
    const isConnected = await new Promise<boolean>((resolve) => {
      made.once("connect", () => resolve(true));
      made.once("error", () => resolve(false));
    });
    if (!isConnected) return undefined;
    connections++;
    made.on("data", (bytes: Buffer) => {
      received += bytes.toString("latin1");
      wake();
    });
    for (const end of ["end", "close", "error"])
      made.on(end, () => {
        if (socket === made) socket = undefined;
        made.destroy();
        wake();
      });
    return (socket = made);
  }

  return {
    get connections() {
      return connections;
    },
    async publish(name) {
      const open = await connected();
      if (open === undefined) return "refused";
      received = "";
      const body = JSON.stringify({ name, channel, data: "" });
      const path = `/apps/${app.id}/events`;
      const query = signedQuery(
        { ...app, active: true },
        { method: "POST", path, query: [], body },
        Date.now(),
      );
      open.write(
        `POST ${path}?${encodeQuery(query)} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      );
      for (;;) {
        if (/^HTTP\/1\.1 200 .*\r\n\r\n\{\}$/s.test(received)) return "answered";
        if (socket !== open) return received === "" ? "closed" : "cut";
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    close: () => socket?.destroy(),
  };
}
