/**
 * One WebSocket, as far as the channels ring knows it. The names are those of the runtime's own socket, so that no
 * wrapper object stands behind each of ten thousand idle connections.
 *
 * `sendText` and `publishText` answer the bytes sent, -1 when they wait in the send queue (of this socket, or of at least
 * one subscriber), 0 when they were dropped because a queue is full.
 */
export interface Socket {
  sendText(text: string): number;
  /** Sends to all subscribers of the topic but this socket. */
  publishText(topic: string, text: string): number;
  subscribe(topic: string): unknown;
  unsubscribe(topic: string): unknown;
  /** A WebSocket ping, for clients that are too old for `pusher:ping`. */
  ping(): unknown;
  /** Sends what is queued, then the close frame. */
  close(code: number, reason: string): void;
  /** Cuts the connection: nothing more is sent. */
  terminate(): void;
  /** Bytes that wait in the send queue. */
  getBufferedAmount(): number;
}
