import { DEBOUNCE_MS } from "../protocol/webhook.ts";
import type { LoggedEvent } from "./ports/event-log.ts";

/** What becomes of the events. Each is told or dropped once. */
export interface DebounceOutcome {
  /** Goes to the webhooks; `dueAtMs` is since when it may. */
  tell(event: LoggedEvent, dueAtMs: number): void;
  /** Nobody hears of it. */
  drop(event: LoggedEvent): void;
}

interface Leaving {
  readonly event: LoggedEvent;
  readonly dueAtMs: number;
}

/**
 * Spares customers the leavings that a reload of a page makes. For each channel, and for each member of one:
 *
 *            ┌────── leaving ─────▶
 *   settled                         waiting ──┬── DEBOUNCE_MS passed: the leaving is told ──▶ settled
 *            ◀── return: told ────            └── return in time: both are dropped ─────────▶ settled
 *                (while settled)
 *
 * Every other event is told at once. A return at the limit itself is in time.
 *
 * Time is what the caller says, and never goes back. It may be the time of the events (a log that is read late) as well
 * as the clock's: before an event is applied, what was due by its time is told.
 *
 * Invariants: of one channel, or member, leavings and returns are told in turns if they come in turns. All leavings wait
 * equally long, so they come due in the order in which they came: one queue, no timers. An event that is in a job of some
 * webhook already was told by an owner before this one: it is told to the others too, with what it came after, whatever
 * the times look like now.
 */
export class Debounce {
  readonly #outcome: DebounceOutcome;
  /** By whose leaving it is, the oldest first. */
  readonly #waiting = new Map<string, Leaving>();

  constructor(outcome: DebounceOutcome) {
    this.#outcome = outcome;
  }

  /** Leavings that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** When `advance` will have something to do. */
  get nextDueMs(): number {
    for (const { dueAtMs } of this.#waiting.values()) return dueAtMs;
    return Number.POSITIVE_INFINITY;
  }

  advance(nowMs: number): void {
    for (const [key, { event, dueAtMs }] of this.#waiting) {
      if (dueAtMs > nowMs) return;
      this.#waiting.delete(key);
      this.#outcome.tell(event, dueAtMs);
    }
  }

  apply(event: LoggedEvent, arrivalMs: number): void {
    this.advance(arrivalMs);
    switch (event.name) {
      case "channel_vacated":
      case "member_removed":
        this.#leave(event, arrivalMs);
        break;
      case "channel_occupied":
      case "member_added":
        this.#return(event, arrivalMs);
        break;
      default:
        this.#outcome.tell(event, arrivalMs);
    }
  }

  #leave(event: LoggedEvent, arrivalMs: number): void {
    const key = keyOf(event);
    if (wasTold(event)) this.#outcome.tell(event, arrivalMs);
    else if (this.#waiting.has(key)) this.#outcome.drop(event);
    // Times are whole milliseconds: while one lasts, a return of it may still be recorded.
    else this.#waiting.set(key, { event, dueAtMs: arrivalMs + DEBOUNCE_MS + 1 });
  }

  #return(event: LoggedEvent, arrivalMs: number): void {
    const key = keyOf(event);
    const leaving = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (leaving !== undefined && !wasTold(event)) {
      this.#outcome.drop(leaving.event);
      this.#outcome.drop(event);
      return;
    }
    if (leaving !== undefined) this.#outcome.tell(leaving.event, arrivalMs);
    this.#outcome.tell(event, arrivalMs);
  }
}

function wasTold(event: LoggedEvent): boolean {
  return event.handledFor.length > 0;
}

/** The length keeps a channel from being taken for a shorter one and a member of it. */
function keyOf({ appId, channel, userId }: LoggedEvent): string {
  const key = `${appId}/${channel.length}/${channel}`;
  return userId === undefined ? key : `${key}/${userId}`;
}
