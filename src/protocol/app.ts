import type { AppLimits } from "./limits.ts";
import type { Webhook } from "./webhook.ts";

/** One key pair of an app. Pusher calls it a token. */
export interface AppKey {
  readonly key: string;
  readonly secret: string;
  /** An inactive key opens no connection, signs nothing and verifies nothing. */
  readonly active: boolean;
}

/**
 * A tenant: everything that Pusher's dashboard lets one set for an app.
 *
 * Apps never see each other. Whatever is keyed by a channel or a user id is keyed by the app's id as well.
 */
export interface App {
  /** Letters, digits, `-` and `_`: never a slash, so that `id/channel` is one channel of one app. */
  readonly id: string;
  /** For people: logs and the console. */
  readonly name: string;
  /** A disabled app refuses sockets with 4003 and API calls with 403. */
  readonly enabled: boolean;
  /** Oldest first. The oldest active key signs what Ringmaster sends; every active key verifies what it receives. */
  readonly keys: readonly AppKey[];
  /** Refuse plain sockets with 4000, which makes pusher-js switch to TLS. */
  readonly forceTls: boolean;
  readonly clientEvents: boolean;
  /** A socket must sign in or subscribe to a private or presence channel within a time limit. */
  readonly authorizedConnections: boolean;
  /** `subscription_count` events to subscribers, and the attribute of that name in the HTTP API. */
  readonly subscriptionCount: boolean;
  /** Online and offline events about the users that a signed-in user watches. */
  readonly watchlist: boolean;
  /** `Origin` values that may connect, each a host (`app.example.com`, `*.example.com`) or a full origin; null allows all. */
  readonly allowedOrigins: readonly string[] | null;
  readonly webhooks: readonly Webhook[];
  /** Gather the events of a quarter of a second, up to 20, into one webhook; else each is a webhook of its own. */
  readonly batchWebhooks: boolean;
  readonly limits: AppLimits;
}

/** The key that signs on behalf of the app: the oldest active one. */
export function signingKey(app: App): AppKey | undefined {
  return app.keys.find((key) => key.active);
}

/** The active key of that name, or undefined: an unknown and a deactivated key look the same from outside. */
export function activeKey(app: App, name: string): AppKey | undefined {
  return app.keys.find((key) => key.active && key.key === name);
}
