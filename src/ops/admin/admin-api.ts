import type { Log } from "../../sender/ports/log.ts";
import { AdminAccess } from "./admin-access.ts";
import { AdminFault } from "./admin-fault.ts";
import type { AdminSources } from "./admin-sources.ts";
import { NO_PARAMETERS, checked } from "./parameters.ts";
import { bodyParameters, queryParameters } from "./request-parameters.ts";
import { SenderVersions } from "./sender-versions.ts";
import { WebhookControl } from "./webhook-control.ts";
import { WebhookDirectory } from "./webhook-directory.ts";
import { WebhookHistory } from "./webhook-history.ts";
import { WebhookOverview } from "./webhook-overview.ts";

interface Route {
  readonly method: "GET" | "POST";
  answer(parameters: unknown): Promise<object>;
}

export interface AdminOptions extends AdminSources {
  /** Null: only programs on this machine may call. */
  readonly token: string | null;
  readonly log: Log;
}

/**
 * The admin API (docs/specs/admin-api.md): every path under `/admin/`. Checks come in this order: who asks, path, method, then
 * what was asked. Answers are JSON, a failure is one sentence; whatever is not a fault of the request is a 500 that says nothing
 * but is logged.
 */
export class AdminApi {
  readonly #access: AdminAccess;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #log: Log;

  constructor({ token, log, ...sources }: AdminOptions) {
    this.#access = new AdminAccess(token);
    this.#log = log;
    this.#routes = routes(sources, log);
  }

  /** The address is that of the socket's other end; undefined where it has none. */
  async handle(request: Request, peerAddress: string | undefined): Promise<Response> {
    const refusal = this.#access.refusal(request.headers, peerAddress);
    if (refusal !== undefined) {
      const { status, message } = refusal;
      this.#log.debug({ clientAddress: peerAddress, status }, "admin request refused");
      return failure(status, message, status === 401 ? { "www-authenticate": "Bearer" } : {});
    }
    try {
      return respond(200, await this.#serve(request));
    } catch (error) {
      if (error instanceof AdminFault) return failure(error.status, error.message, error.headers);
      this.#log.error({ err: error }, "could not serve an admin request");
      return failure(500, "The server could not do it; its log says why");
    }
  }

  async #serve(request: Request): Promise<object> {
    // The runtime gives a path alone where HTTP/1.0 had no Host.
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const route = this.#routes.get(pathname);
    if (route === undefined) {
      throw new AdminFault(404, `There is no such path; there are ${this.#paths()}`);
    }
    if (request.method !== route.method) {
      throw new AdminFault(405, `This path takes ${route.method} alone`, { allow: route.method });
    }
    const query = queryParameters(searchParams);
    if (route.method === "GET") return route.answer(query);
    checked(NO_PARAMETERS, query);
    return route.answer(await bodyParameters(request));
  }

  #paths(): string {
    return Array.from(this.#routes, ([path, { method }]) => `${method} ${path}`).join(", ");
  }
}

function routes(sources: AdminSources, log: Log): ReadonlyMap<string, Route> {
  const directory = new WebhookDirectory(sources);
  const overview = new WebhookOverview(sources, directory);
  const history = new WebhookHistory(sources, directory);
  const versions = new SenderVersions(sources);
  const control = new WebhookControl(sources, directory, log);
  return new Map<string, Route>([
    ["/admin/webhooks", { method: "GET", answer: (asked) => overview.list(asked) }],
    ["/admin/webhooks/attempts", { method: "GET", answer: (asked) => history.attempts(asked) }],
    ["/admin/webhooks/failed", { method: "GET", answer: (asked) => history.failed(asked) }],
    ["/admin/webhooks/versions", { method: "GET", answer: (asked) => versions.list(asked) }],
    ["/admin/webhooks/replay", { method: "POST", answer: (asked) => control.replay(asked) }],
    ["/admin/webhooks/pause", { method: "POST", answer: (asked) => control.pause(asked) }],
    ["/admin/webhooks/resume", { method: "POST", answer: (asked) => control.resume(asked) }],
    ["/admin/webhooks/test", { method: "POST", answer: (asked) => control.test(asked) }],
    [
      "/admin/queue",
      {
        method: "GET",
        async answer(asked) {
          checked(NO_PARAMETERS, asked);
          const { due, leased, delayed, dead, oldestDueMs, pausedEndpoints } =
            await sources.desk.figures();
          return { due, leased, delayed, dead, oldestDueMs, pausedEndpoints };
        },
      },
    ],
  ]);
}

function failure(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return respond(status, { error: message }, headers);
}

function respond(
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}
