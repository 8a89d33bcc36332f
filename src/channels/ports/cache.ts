export interface CachedEvent {
  readonly event: string;
  readonly data: string;
}

export interface CacheEntry extends CachedEvent {
  /** Whole milliseconds that the entry will still live; always positive. */
  readonly ttlMs: number;
}

/**
 * The last event of each cache channel.
 *
 * Guarantees: an entry is never answered after its TTL; it may be gone sooner when memory is short (the contract allows
 * that); the last `set` of a channel wins. Nothing a customer is owed depends on it.
 */
export interface Cache {
  set(appId: string, channel: string, event: CachedEvent, ttlMs: number): Promise<void>;
  get(appId: string, channel: string): Promise<CacheEntry | undefined>;
  close(): Promise<void>;
}
