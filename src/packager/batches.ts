import { BATCH_WINDOW_MS, endpointIdOf } from "../protocol/webhook.ts";
import type { LoggedEvent } from "./ports/event-log.ts";

/** An event on its way into jobs: one for each webhook that wants it. */
export interface Telling {
  readonly event: LoggedEvent;
  /** Since when it may be told, in elapsed time. */
  readonly dueAtMs: number;
  /** Webhooks whose job is still to be made. */
  waitsFor: number;
}

/** Events for one webhook of one app, in the order in which they were told. */
export interface Batch {
  readonly appId: string;
  readonly webhookId: string;
  readonly tellings: readonly Telling[];
}

interface OpenBatch extends Batch {
  readonly tellings: Telling[];
  readonly closesAtMs: number;
}

/**
 * Gathers events until there are enough for one body, for each webhook of each app by itself.
 *
 *   none ──first event──▶ open ──full, or BATCH_WINDOW_MS after the first event──▶ closed: handed out, and forgotten
 *
 * Time is what the caller says, and never goes back. All batches stay open equally long, so they close in the order in
 * which they were opened.
 */
export class Batches {
  /** By endpoint id, the one that closes first at the front. */
  readonly #open = new Map<string, OpenBatch>();

  /** When `takeDue` will have something to hand out. */
  get nextDueMs(): number {
    for (const { closesAtMs } of this.#open.values()) return closesAtMs;
    return Number.POSITIVE_INFINITY;
  }

  /** Since when the event that has been due longest has been; infinity when there is none. */
  get oldestDueMs(): number {
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const { tellings } of this.#open.values())
      for (const { dueAtMs } of tellings) oldestMs = Math.min(oldestMs, dueAtMs);
    return oldestMs;
  }

  /** Answers the batch when the event fills it. */
  add(telling: Telling, webhookId: string, maxEvents: number, nowMs: number): Batch | undefined {
    const { appId } = telling.event;
    const endpointId = endpointIdOf(appId, webhookId);
    let batch = this.#open.get(endpointId);
    if (batch === undefined) {
      batch = { appId, webhookId, tellings: [], closesAtMs: nowMs + BATCH_WINDOW_MS };
      this.#open.set(endpointId, batch);
    }
    batch.tellings.push(telling);
    if (batch.tellings.length < maxEvents) return undefined;
    this.#open.delete(endpointId);
    return batch;
  }

  takeDue(nowMs: number): Batch[] {
    const due: Batch[] = [];
    for (const [endpointId, batch] of this.#open) {
      if (batch.closesAtMs > nowMs) break;
      this.#open.delete(endpointId);
      due.push(batch);
    }
    return due;
  }
}
