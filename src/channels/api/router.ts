import { badRequest, type ApiError } from "../../protocol/api-errors.ts";
import { userChannel } from "../../protocol/channel-name.ts";
import { parseQuery } from "../../protocol/query.ts";
import { requestSignatureFault, type SignedRequest } from "../../protocol/request-signature.ts";
import { count } from "../counters.ts";
import type { Node } from "../node.ts";
import type { Tenant } from "../tenant.ts";
import { publishBatch, publishEvent, publishRawBody } from "./publish.ts";
import { channelStats, listChannels, listUsers, showChannel } from "./query-channels.ts";
import { ApiFault, type ApiRequest } from "./request.ts";

type Endpoint = (request: ApiRequest, argument: string) => Promise<string | undefined>;

interface Route {
  readonly method: "GET" | "POST";
  /** Stands for the endpoint in metrics: without any name of a channel or user. */
  readonly name: string;
  /** The whole path behind the app, or a pattern whose group is the endpoint's argument. */
  readonly path: string | RegExp;
  readonly endpoint: Endpoint;
  readonly status?: number;
}

/** The endpoints of the contract, section 2, behind `/apps/<id>`. The busiest stand first. */
const ROUTES: readonly Route[] = [
  { method: "POST", name: "events", path: "/events", endpoint: publishEvent },
  { method: "POST", name: "batch_events", path: "/batch_events", endpoint: publishBatch },
  { method: "GET", name: "channels", path: "/channels", endpoint: listChannels },
  { method: "GET", name: "channel", path: /^\/channels\/([^/]+)$/, endpoint: showChannel },
  { method: "GET", name: "users", path: /^\/channels\/([^/]+)\/users$/, endpoint: listUsers },
  {
    method: "POST",
    name: "terminate_connections",
    path: /^\/users\/([^/]+)\/terminate_connections$/,
    endpoint: terminateConnections,
  },
  { method: "GET", name: "stats", path: /^\/channels\/([^/]+)\/stats$/, endpoint: channelStats },
  {
    method: "POST",
    name: "raw_events",
    path: /^\/channels\/([^/]+)\/events$/,
    endpoint: publishRaw,
    status: 202,
  },
];

const APPS = "/apps/";
const UNKNOWN_PATH: ApiError = { status: 404, message: "Unknown path" };
const UTF8 = new TextDecoder("utf-8", { fatal: true });
/** Made once: the runtime copies it faster than it reads an object. */
const JSON_INIT = { headers: new Headers({ "content-type": "application/json" }) };
const TEXT_HEADERS = { "content-type": "text/plain; charset=utf-8" };
const RETRY_AFTER_SECONDS = "1";

async function terminateConnections({ node, tenant }: ApiRequest, userId: string): Promise<string> {
  await node.bus.publish([
    { kind: "terminate", appId: tenant.id, channel: userChannel(userId), userId },
  ]);
  return "{}";
}

async function publishRaw(request: ApiRequest, channel: string): Promise<undefined> {
  await publishRawBody(request, channel);
}

/**
 * The HTTP API. Checks come in this order: path, app, signature, then what the app may do, then what was asked. Every
 * failure is plain text ending in a newline, as libraries expect; whatever is not a fault of the request is a 500 that
 * says nothing but is logged.
 */
export class Api {
  readonly #node: Node;
  #accepted = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  /** Requests that have come in whole and are not answered yet: what they ask for may have been done. */
  get accepted(): number {
    return this.#accepted;
  }

  /**
   * `path` and `query` are as sent; `path` without the prefix. A prefix may or may not have been signed: that depends on
   * the library and on whether a proxy added it, so both are taken.
   */
  handle(request: Request, path: string, query: string): Response | Promise<Response> {
    const slash = path.indexOf("/", APPS.length);
    if (!path.startsWith(APPS) || slash <= APPS.length) return failure(UNKNOWN_PATH);
    const appId = path.slice(APPS.length, slash);
    const matched = match(request.method, path.slice(slash));
    if ("error" in matched) return failure(matched.error);
    const app = this.#node.apps.byId(appId);
    if (app === undefined)
      return failure({ status: 404, message: `Could not find app with id ${appId}` });
    return this.#serve(request, this.#node.tenant(app), path, query, matched);
  }

  async #serve(
    request: Request,
    tenant: Tenant,
    path: string,
    queryText: string,
    { route, argument }: Matched,
  ): Promise<Response> {
    let response: Response;
    let isAccepted = false;
    try {
      const query = parseQuery(queryText);
      const bytes = route.method === "POST" ? await request.bytes().catch(brokenOff) : EMPTY;
      this.#accepted++;
      isAccepted = true;
      const { method } = request;
      const refused = this.#refusal(tenant, { method, path, query, queryText, body: bytes });
      if (refused === undefined) {
        const body = decoded(bytes);
        response = success(
          await route.endpoint({ node: this.#node, tenant, query, body }, argument),
          route,
        );
      } else {
        response = failure(refused);
      }
    } catch (error) {
      response = this.#failed(error, tenant, route);
    } finally {
      if (isAccepted) this.#accepted--;
    }
    count(tenant.counters.apiRequests, `${route.name} ${response.status}`);
    return response;
  }

  /** Why the app or its request is not served, whatever was asked. */
  #refusal(tenant: Tenant, request: SignedRequest): ApiError | undefined {
    const { app } = tenant;
    const fault = this.#signatureFault(tenant, request);
    if (fault !== undefined) return { status: 401, message: fault };
    if (!app.enabled) return { status: 403, message: "Application disabled" };
    const perSecond = app.limits.apiRequestsPerSecond;
    if (perSecond === null || tenant.apiRate.take(perSecond, this.#node.clock.elapsedMs())) {
      return undefined;
    }
    return { status: 429, message: `API rate limit exceeded (${perSecond} requests per second)` };
  }

  #signatureFault({ app }: Tenant, request: SignedRequest): string | undefined {
    const nowMs = this.#node.clock.now();
    const fault = requestSignatureFault(app, request, nowMs);
    const prefix = this.#node.settings.pathPrefix;
    if (fault === undefined || prefix === "") return fault;
    const prefixed = { ...request, path: prefix + request.path };
    return requestSignatureFault(app, prefixed, nowMs) === undefined ? undefined : fault;
  }

  #failed(error: unknown, tenant: Tenant, route: Route): Response {
    if (error instanceof ApiFault) return failure(error.error);
    this.#node.log.error(
      { appId: tenant.id, endpoint: route.name, err: error },
      "could not serve a request",
    );
    return new Response("Internal server error\n", { status: 500, headers: TEXT_HEADERS });
  }
}

const EMPTY = new Uint8Array();

function brokenOff(): never {
  // The client went, or sent no proper chunks: nothing of ours to log, and anybody can do it.
  throw new ApiFault({ status: 400, message: "The body broke off" });
}

interface Matched {
  readonly route: Route;
  readonly argument: string;
}

function match(method: string, rest: string): Matched | { readonly error: ApiError } {
  let known = false;
  for (const route of ROUTES) {
    const argument = argumentIn(route.path, rest);
    if (argument === undefined) continue;
    if (route.method === method) return { route, argument: decodeArgument(argument) };
    known = true;
  }
  return known
    ? { error: { status: 405, message: `Method ${method} is not allowed here` } }
    : { error: UNKNOWN_PATH };
}

function argumentIn(path: string | RegExp, rest: string): string | undefined {
  if (typeof path === "string") return rest === path ? "" : undefined;
  return path.exec(rest)?.[1];
}

/** Some libraries escape names in the path, others do not. */
function decodeArgument(argument: string): string {
  try {
    return decodeURIComponent(argument);
  } catch {
    return argument;
  }
}

function decoded(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new ApiFault(badRequest("The body is not valid UTF-8"));
  }
}

function success(answer: string | undefined, { status = 200 }: Route): Response {
  return answer === undefined ? new Response(null, { status }) : new Response(answer, JSON_INIT);
}

export function failure({ status, message }: ApiError): Response {
  const headers =
    status === 429 ? { ...TEXT_HEADERS, "retry-after": RETRY_AFTER_SECONDS } : TEXT_HEADERS;
  return new Response(`${message}\n`, { status, headers });
}
