import { plainRequest } from "./http-api.ts";
import type { Ringmaster } from "./ringmaster.ts";

/** What these tests look at of what the admin API shows (docs/specs/admin-api.md). */
export interface ShownWebhook {
  readonly app: string;
  readonly webhook: string;
  readonly configured: boolean;
  readonly paused: { readonly reason: string } | null;
  readonly due: number;
  readonly leased: number;
  readonly delayed: number;
  readonly dead: number;
  readonly sender: { readonly breaker: string } | null;
}

export interface ShownAttempt {
  readonly app: string;
  readonly webhook: string;
  readonly job: string;
  readonly attempt: number;
  readonly result: string;
  readonly status: number | null;
  readonly detail: string | null;
}

export interface ShownDeadLetter {
  readonly app: string;
  readonly webhook: string;
  readonly job: string;
  readonly reason: string;
  readonly attempts: number;
}

export function webhooks(server: Ringmaster, app?: string): Promise<readonly ShownWebhook[]> {
  return listed(server, "/webhooks", "webhooks", app);
}

/** Newest first. */
export function attempts(
  server: Ringmaster,
  app?: string,
  filter: Readonly<Record<string, string>> = {},
): Promise<readonly ShownAttempt[]> {
  return listed(server, "/webhooks/attempts", "attempts", app, filter);
}

export function deadLetters(server: Ringmaster, app?: string): Promise<readonly ShownDeadLetter[]> {
  return listed(server, "/webhooks/failed", "failed", app);
}

async function listed<Item>(
  { opsPort }: Ringmaster,
  path: string,
  field: string,
  app: string | undefined,
  filter: Readonly<Record<string, string>> = {},
): Promise<readonly Item[]> {
  const query = new URLSearchParams({ ...(app === undefined ? {} : { app }), ...filter });
  const { status, body } = await plainRequest(opsPort, {
    method: "GET",
    path: `/admin${path}?${query}`,
  });
  if (status !== 200) throw new Error(`the admin API answered ${status}: ${body}`);
  return (JSON.parse(body) as Record<string, readonly Item[]>)[field] ?? [];
}
