import type { Server, ServerWebSocket } from "bun";
import { parseQuery } from "../protocol/query.ts";
import { admit, type Refusal } from "./admission.ts";
import type { Api } from "./api/router.ts";
import { originationOf } from "./forwarded.ts";
import type { Gateway } from "./gateway.ts";
import type { Node } from "./node.ts";
import { Session } from "./session.ts";
import type { Topics } from "./topics.ts";

/** Longer than the idle timeouts of the usual load balancers, or they would send a request into a closing connection. */
const HTTP_IDLE_TIMEOUT_SECONDS = 120;

/** On closing: for a request to come in whole of which a part has come. */
export const INCOMPLETE_GRACE_MS = 1_000;
const CLOSE_TICK_MS = 20;

/** What the runtime keeps with each of its sockets. */
type SocketData = Session | Refusal;

export interface TlsMaterial {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  /** The intermediate certificates, where `cert` does not hold them. */
  readonly ca: string | undefined;
}

export interface Endpoint {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls: TlsMaterial | undefined;
}

/**
 * The only file of the ring that knows the runtime's server. It listens on one or more endpoints, hands sockets to the
 * gateway and requests to the API, and publishes to topics.
 *
 * A certificate is exchanged without closing anything: a second server on the same port, with the new certificate, takes
 * the new connections, and the old one stops listening but keeps its sockets. So there may be several servers, each with
 * topics of its own, and a publish goes to all of them.
 */
export class Listener implements Topics {
  readonly #node: Node;
  readonly #gateway: Gateway;
  readonly #api: Api;
  #servers: Server<SocketData>[] = [];
  #lastServer = 0;
  #isDismissing = false;

  constructor(node: Node, gateway: Gateway, api: Api) {
    this.#node = node;
    this.#gateway = gateway;
    this.#api = api;
  }

  /** Answers the port. Throws when it cannot be had. */
  listen(endpoint: Endpoint): number {
    // Sharing a port is for our own successor only: a second process must be told that the port is taken.
    const shared = endpoint.tls !== undefined && endpoint.port !== 0;
    if (shared) void this.#serve({ ...endpoint, tls: undefined }, false).stop(true);
    const server = this.#serve(endpoint, endpoint.tls !== undefined);
    this.#servers.push(server);
    return server.port!;
  }

  /** Takes new connections of a TLS port with another certificate from now on; the open ones stay as they are. */
  renewTls(endpoint: Endpoint): void {
    const old = this.#servers.filter((server) => server.port === endpoint.port);
    this.#servers.push(this.#serve(endpoint, true));
    for (const server of old) {
      void server.stop(false).then(() => {
        this.#servers = this.#servers.filter((other) => other !== server);
      });
    }
  }

  publish(topic: string, text: string, except: Session | undefined): number {
    if (this.#servers.length === 1) {
      return except === undefined
        ? this.#servers[0]!.publish(topic, text)
        : except.socket.publishText(topic, text);
    }
    let sent = text.length;
    for (const server of this.#servers) {
      if (server.subscriberCount(topic) === 0) continue;
      const own = except !== undefined && except.server === server.id;
      sent = Math.min(
        sent,
        own ? except.socket.publishText(topic, text) : server.publish(topic, text),
      );
    }
    return sent;
  }

  /**
   * From now on each answer asks its connection to close. Whoever keeps connections (a proxy, a server library) makes the next
   * one elsewhere, rather than send a request into one that is closed at that moment.
   */
  dismiss(): void {
    this.#isDismissing = true;
  }

  /** Stops listening. Requests under way are answered, sockets stay. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop(false)));
  }

  /**
   * Stops listening, and cuts everything when all requests are answered that have come in whole. Those that have not get a
   * moment: nothing of what they ask for was done.
   */
  async close(): Promise<void> {
    const answered = this.stop().then(() => true);
    const within = (ms: number): Promise<boolean> => {
      const late = new Promise<false>((resolve) => {
        this.#node.clock.after(ms, () => resolve(false));
      });
      return Promise.race([answered, late]);
    };
    let isAnswered = await within(INCOMPLETE_GRACE_MS);
    while (!isAnswered && this.#api.accepted > 0) isAnswered = await within(CLOSE_TICK_MS);
    if (!isAnswered) await this.destroy();
  }

  /** Cuts everything. */
  async destroy(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop(true)));
  }

  #serve(endpoint: Endpoint, reusePort: boolean): Server<SocketData> {
    const gateway = this.#gateway;
    const { websocket, http } = this.#node.settings;
    const tls = endpoint.tls !== undefined;
    const id = `server-${++this.#lastServer}`;
    return Bun.serve<SocketData>({
      id,
      hostname: endpoint.host,
      port: endpoint.port,
      reusePort,
      ...(endpoint.tls === undefined ? {} : { tls: chained(endpoint.tls) }),
      maxRequestBodySize: http.maxBodyBytes,
      development: false,
      idleTimeout: HTTP_IDLE_TIMEOUT_SECONDS,
      fetch: (request, server) => {
        const answer = this.#fetch(request, server, tls);
        return this.#isDismissing ? dismissing(answer) : answer;
      },
      error: (error) => {
        this.#node.log.error({ err: error }, "could not serve a request");
        return new Response("Internal server error\n", { status: 500 });
      },
      websocket: {
        maxPayloadLength: websocket.maxFrameBytes,
        backpressureLimit: websocket.sendQueueBytes,
        closeOnBackpressureLimit: true,
        perMessageDeflate: false,
        // Liveness is the gateway's own: the contract asks for pusher:ping and for a close code.
        idleTimeout: 0,
        sendPings: false,
        open(socket) {
          if (socket.data instanceof Session) {
            socket.data.server = id;
            gateway.open(socket, socket.data);
          } else gateway.refuse(socket, socket.data);
        },
        message(socket, message) {
          if (!(socket.data instanceof Session)) return;
          if (typeof message === "string") gateway.receive(socket.data, message);
          else gateway.receiveBinary(socket.data);
        },
        ping: heard,
        pong: heard,
        drain(socket) {
          if (socket.data instanceof Session) gateway.drained(socket.data);
        },
        close(socket, code) {
          if (socket.data instanceof Session) gateway.closed(socket.data, code);
        },
      },
    });

    function heard(socket: ServerWebSocket<SocketData>): void {
      if (socket.data instanceof Session) gateway.heard(socket.data);
    }
  }

  #fetch(
    request: Request,
    server: Server<SocketData>,
    tls: boolean,
  ): Response | Promise<Response> | undefined {
    const { url } = request;
    // Without a usable Host header the runtime gives the path alone.
    const pathStart = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
    const queryStart = url.indexOf("?", pathStart);
    const path = url.slice(pathStart, queryStart === -1 ? undefined : queryStart);
    const query = queryStart === -1 ? "" : url.slice(queryStart + 1);

    const { pathPrefix } = this.#node.settings;
    if (!path.startsWith(pathPrefix)) return unknownPath();
    const local = path.slice(pathPrefix.length);
    if (local.startsWith("/apps/")) return this.#api.handle(request, local, query);
    if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
      return this.#upgrade(request, server, local, query, tls);
    }
    if (local === "/" || local === "") return new Response("Ringmaster\n");
    return unknownPath();
  }

  #upgrade(
    request: Request,
    server: Server<SocketData>,
    path: string,
    query: string,
    tls: boolean,
  ): Response | undefined {
    const { headers } = request;
    const peer = { address: server.requestIP(request)?.address ?? "", secure: tls };
    const { trustedHops } = this.#node.settings;
    const { secure, clientAddress } = originationOf(headers, peer, trustedHops);
    const handshake = { path, query: parseQuery(query), secure, origin: headers.get("origin") };
    const admission = admit(this.#node, handshake);
    if ("session" in admission) {
      const { tenant, socketId } = admission.session;
      this.#node.log.debug({ appId: tenant.id, socketId, clientAddress }, "socket admitted");
    } else {
      const { code } = admission.refusal.reason;
      this.#node.log.debug({ code, clientAddress }, "socket refused");
    }
    const data = "session" in admission ? admission.session : admission.refusal;
    if (server.upgrade(request, { data })) return undefined;
    return new Response("WebSocket handshake failed\n", { status: 400 });
  }
}

function chained({ cert, key, ca }: TlsMaterial): { cert: string; key: string } {
  return { cert: ca === undefined ? cert : `${cert.trimEnd()}\n${ca}`, key };
}

/** With it the runtime closes the connection behind the answer, and reads nothing more from it. */
function dismissing(
  answer: Response | Promise<Response> | undefined,
): Response | Promise<Response> | undefined {
  if (answer instanceof Promise) return answer.then(dismissed);
  return answer === undefined ? undefined : dismissed(answer);
}

function dismissed(response: Response): Response {
  response.headers.set("connection", "close");
  return response;
}

function unknownPath(): Response {
  return new Response("Unknown path\n", { status: 404 });
}
