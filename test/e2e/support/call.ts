import type { IncomingHttpHeaders } from "node:http";

/** An event as it stands in a body. */
export type ToldEvent = Readonly<Record<string, unknown>> & {
  readonly name: string;
  readonly channel: string;
};

/** One webhook that was received whole, whatever it was answered. */
export interface Call {
  readonly atMs: number;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The `webhook-id`. */
  readonly id: string;
  readonly events: readonly ToldEvent[];
}
