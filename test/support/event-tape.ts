import type { EventLog } from "../../src/channels/ports/event-log.ts";
import type { Journal } from "../../src/channels/ports/journal.ts";
import type { WebhookEvent } from "../../src/protocol/webhook-event.ts";
import { Gate } from "./doubles.ts";

export interface TapedEvent {
  readonly appId: string;
  readonly event: WebhookEvent;
}

/** Keeps what was recorded, in order. Appends wait at a gate, and the journal says that it is full, when a test wants so. */
export class EventTape implements EventLog, Journal {
  readonly taped: TapedEvent[] = [];
  readonly gate = new Gate();
  /** What `record` answers: where it is a promise, callers wait. */
  room: Promise<void> | undefined;
  readonly #missed = new Set<string>();

  get events(): WebhookEvent[] {
    return this.taped.map(({ event }) => event);
  }

  record(appId: string, events: readonly WebhookEvent[]): Promise<void> | undefined {
    for (const event of events) this.taped.push({ appId, event });
    return this.room;
  }

  append(appId: string, event: WebhookEvent): Promise<void> {
    this.taped.push({ appId, event });
    return this.gate.pass();
  }

  async appendCacheMiss(appId: string, channel: string): Promise<void> {
    const key = `${appId}/${channel}`;
    if (this.#missed.has(key)) return;
    this.#missed.add(key);
    await this.append(appId, { name: "cache_miss", channel });
  }

  forgetCacheMiss(appId: string, channel: string): void {
    this.#missed.delete(`${appId}/${channel}`);
  }
}
