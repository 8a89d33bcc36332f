import type { Call } from "../../e2e/support/call.ts";
import type { Inbox } from "../../e2e/support/inbox.ts";

const EVENTS = ["channel_occupied", "channel_vacated"];

/** What a customer is owed of visits, and has not been told. */
export class Owed {
  readonly #told = new Set<string>();
  readonly #untold = new Set<string>();

  /** Of the calls to this path, where one is given. */
  constructor(calls: Inbox<Call>, ofPath?: string) {
    calls.each(({ path, events }) => {
      if (ofPath !== undefined && path !== ofPath) return;
      for (const { name, channel } of events) {
        this.#told.add(`${name} ${channel}`);
        this.#untold.delete(`${name} ${channel}`);
      }
    });
  }

  get count(): number {
    return this.#untold.size;
  }

  get all(): readonly string[] {
    return [...this.#untold];
  }

  /** Somebody is on this channel now, and will leave it. */
  visit(channel: string): void {
    for (const name of EVENTS) {
      const event = `${name} ${channel}`;
      // The customer may hear of it sooner than the visitor.
      if (!this.#told.has(event)) this.#untold.add(event);
    }
  }
}
