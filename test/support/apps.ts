import type { App } from "../../src/protocol/app.ts";
import { PUSHER_LIMITS, type AppLimits } from "../../src/protocol/limits.ts";

/** The credentials of the contract's own vectors. */
export const VECTOR_KEY = "278d425bdf160c739803";
export const VECTOR_SECRET = "7ad3773142a6692b25b8";

/** An app with every optional feature on. */
export function testApp(
  changes: Partial<Omit<App, "limits">> & { readonly limits?: Partial<AppLimits> } = {},
): App {
  return {
    id: "3",
    name: "test",
    enabled: true,
    keys: [{ key: VECTOR_KEY, secret: VECTOR_SECRET, active: true }],
    forceTls: false,
    clientEvents: true,
    authorizedConnections: false,
    subscriptionCount: true,
    watchlist: true,
    allowedOrigins: null,
    webhooks: [],
    batchWebhooks: true,
    ...changes,
    limits: { ...PUSHER_LIMITS, ...changes.limits },
  };
}
