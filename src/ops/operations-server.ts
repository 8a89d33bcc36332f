import type { LifecycleState } from "./lifecycle.ts";
import type { Metrics } from "./metrics.ts";

export interface OperationsOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly metrics: Metrics;
  state(): LifecycleState;
}

/**
 * What a supervisor asks, on a port of its own:
 *
 *   /healthz  200 while the process works at all: restart it when that fails
 *   /readyz   200 when it takes traffic, 503 while it starts or drains: only route by it
 *   /metrics  Prometheus text
 */
export class OperationsServer {
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor({ host, port, metrics, state }: OperationsOptions) {
    this.#server = Bun.serve({
      hostname: host,
      port,
      development: false,
      routes: {
        "/healthz": () => text("ok\n"),
        "/readyz": () => (state() === "ready" ? text("ready\n") : text(`${state()}\n`, 503)),
        "/metrics": async () =>
          new Response(await metrics.scrape(), {
            headers: { "content-type": metrics.contentType },
          }),
      },
      fetch: () => text("Here are /healthz, /readyz and /metrics\n", 404),
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
