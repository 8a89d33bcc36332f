/**
 * What one app did on this node since it started. Plain numbers, so that counting costs nothing on the way of a message;
 * whoever shows them reads them when asked.
 */
export interface Counters {
  connectionsOpened: number;
  /** Closed connections by close code. The keys are our own codes and the WebSocket standard's; any other counts as 1006. */
  readonly connectionsClosed: Map<number, number>;
  /** Of those closed: readers so slow that their send queue was full. */
  slowReadersClosed: number;
  subscribes: number;
  messagesReceived: number;
  clientEvents: number;
  clientEventsRefusedByRate: number;
  /** Events accepted from the HTTP API, one for each channel. */
  eventsPublished: number;
  /** Frames handed to sockets by fan-out, and their bytes. */
  deliveries: number;
  deliveredBytes: number;
  cacheMisses: number;
  /** `pusher:error` frames. */
  errorsSent: number;
  /** Answers of the HTTP API by endpoint and status, as `endpoint status`. */
  readonly apiRequests: Map<string, number>;
}

export function newCounters(): Counters {
  return {
    connectionsOpened: 0,
    connectionsClosed: new Map(),
    slowReadersClosed: 0,
    subscribes: 0,
    messagesReceived: 0,
    clientEvents: 0,
    clientEventsRefusedByRate: 0,
    eventsPublished: 0,
    deliveries: 0,
    deliveredBytes: 0,
    cacheMisses: 0,
    errorsSent: 0,
    apiRequests: new Map(),
  };
}

export function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
