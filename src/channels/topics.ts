import type { Session } from "./session.ts";

/** Reaches all sockets of this process that are subscribed to a topic. */
export interface Topics {
  /** `except` gets nothing. Answers as `Socket.publishText` does. */
  publish(topic: string, text: string, except: Session | undefined): number;
}
