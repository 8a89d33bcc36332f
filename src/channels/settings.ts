/** How this node treats sockets and requests, whatever their app. Filled from the configuration, which documents each. */
export interface ChannelsSettings {
  /** Sockets this process takes in all; one more is closed with 4100. */
  readonly maxConnections: number;
  /** Served before `/app/` and `/apps/`; empty, or starting with a slash and not ending with one. */
  readonly pathPrefix: string;
  /** How many proxies stand before us whose X-Forwarded-* we believe. */
  readonly trustedHops: number;
  readonly websocket: {
    readonly activityTimeoutMs: number;
    readonly pingAfterMs: number;
    readonly pongTimeoutMs: number;
    readonly inactivityTimeoutMs: number;
    readonly authorizationTimeoutMs: number;
    readonly maxFrameBytes: number;
    readonly sendQueueBytes: number;
  };
  readonly http: { readonly maxBodyBytes: number };
}
