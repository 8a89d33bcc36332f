import type { AdminApi } from "./admin/admin-api.ts";
import type { LifecycleState } from "./lifecycle.ts";
import type { Metrics } from "./metrics/metrics.ts";

export interface OperationsOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly metrics: Metrics;
  state(): LifecycleState;
  /** Parts that should turn and have not for too long. */
  stuck(): readonly string[];
  /** Why it takes no traffic although it is ready, as far as it is concerned. */
  troubles(): readonly string[];
  /** Undefined while there is nothing to administer: then nothing is under `/admin/`. */
  admin(): AdminApi | undefined;
}

/**
 * What a supervisor asks, and what an operator does, on a port of its own:
 *
 *   /healthz  200 while every ring makes progress: restart the process when that fails
 *   /readyz   200 when it takes traffic, 503 while it starts, drains, or has lost its store: only route by it
 *   /metrics  Prometheus text
 *   /admin/   the admin API, which alone asks who is calling
 */
export class OperationsServer {
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor({ host, port, metrics, state, stuck, troubles, admin }: OperationsOptions) {
    const elsewhere = (): Response => text("Here are /healthz, /readyz and /metrics\n", 404);
    this.#server = Bun.serve({
      hostname: host,
      port,
      development: false,
      routes: {
        "/healthz": () => {
          const parts = stuck();
          return parts.length === 0 ? text("ok\n") : text(`stuck: ${parts.join(", ")}\n`, 503);
        },
        "/readyz": () => {
          if (state() !== "ready") return text(`${state()}\n`, 503);
          const reasons = troubles();
          return reasons.length === 0
            ? text("ready\n")
            : text(`not ready: ${reasons.join(", ")}\n`, 503);
        },
        "/metrics": async () =>
          new Response(await metrics.scrape(), {
            headers: { "content-type": metrics.contentType },
          }),
        "/admin/*": (request, server) =>
          admin()?.handle(request, server.requestIP(request)?.address) ?? elsewhere(),
      },
      fetch: elsewhere,
    });
  }

  get port(): number {
    return this.#server.port!;
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }
}

function text(body: string, status = 200): Response {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
