import { randomBytes } from "node:crypto";

/** An app as a configuration file lists it. */
export interface AppEntry {
  readonly id: string;
  readonly keys: readonly {
    readonly key: string;
    readonly secret: string;
    readonly active?: boolean;
  }[];
  readonly enabled?: boolean;
  readonly forceTls?: boolean;
  readonly clientEvents?: boolean;
  readonly authorizedConnections?: boolean;
  readonly subscriptionCount?: boolean;
  readonly watchlist?: boolean;
  readonly allowedOrigins?: readonly string[];
  readonly webhooks?: readonly WebhookEntry[];
  readonly batchWebhooks?: boolean;
  readonly limits?: Readonly<Record<string, number | null>>;
}

/** A webhook as a configuration file lists it. */
export interface WebhookEntry {
  readonly url: string;
  readonly id?: string;
  readonly events?: readonly string[];
  readonly channelPrefix?: string | null;
  readonly channelSuffix?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly retryWindowMs?: number;
}

/** An app of a test: its entry in the file, and the key that the test uses. */
export interface TestApp {
  readonly entry: AppEntry;
  readonly id: string;
  readonly key: string;
  readonly secret: string;
}

let lastId = 1_000;

export function testApp(settings: Omit<Partial<AppEntry>, "keys"> = {}): TestApp {
  return withKey({ id: String(++lastId), ...settings, keys: [newKey()] });
}

export function newKey(): { key: string; secret: string } {
  return { key: randomBytes(10).toString("hex"), secret: randomBytes(20).toString("hex") };
}

/** The app seen through one of its keys. */
export function withKey(entry: AppEntry, position = 0): TestApp {
  const { key, secret } = entry.keys[position]!;
  return { entry, id: entry.id, key, secret };
}
