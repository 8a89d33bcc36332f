import type { App } from "../protocol/app.ts";
import { newCounters } from "./counters.ts";
import type { LocalChannel } from "./local-channel.ts";
import { TokenBucket } from "./token-bucket.ts";

/** One app's life on this node. `app` is replaced when its settings change; the rest stays. */
export class Tenant {
  readonly id: string;
  app: App;
  readonly counters = newCounters();
  /** By name. */
  readonly channels = new Map<string, LocalChannel>();
  /** Sockets that count towards the app's quota. */
  quotaConnections = 0;
  readonly apiRate: TokenBucket;

  constructor(app: App, elapsedMs: number) {
    this.id = app.id;
    this.app = app;
    this.apiRate = new TokenBucket(app.limits.apiRequestsPerSecond ?? 0, elapsedMs);
  }
}
