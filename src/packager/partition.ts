import type { Counters } from "./counters.ts";
import { Debounce } from "./debounce.ts";
import { Packing } from "./packing.ts";
import type { AppDirectory } from "./ports/app-directory.ts";
import type { Clock } from "./ports/clock.ts";
import {
  OwnershipLost,
  type EventLog,
  type LoggedEvent,
  type Ownership,
} from "./ports/event-log.ts";
import type { Log } from "./ports/log.ts";
import type { SettlementDraft } from "./settlement-draft.ts";
import { Timeline } from "./timeline.ts";

/** Bounds how long one turn keeps the event loop to itself. */
const PAGE_EVENTS = 1_000;
/** The log's hints may be missed. */
const POLL_INTERVAL_MS = 250;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

export interface PackagerDependencies {
  readonly events: EventLog;
  readonly apps: AppDirectory;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The events of one partition, from the log into jobs, while this process owns it.
 *
 *   idle ──turn──▶ reading ──▶ settling ──▶ idle
 *                     │           │
 *                     ▼           ▼  the log rejects
 *                  waiting: back-off, then the same again
 *
 * A turn reads a page, decides what to do with it and with what came due meanwhile, and settles all of that in one step.
 *
 * Invariants:
 * - What is not settled is in memory and in the log. To forget it all is to read it again: that is what an owner that
 *   loses the partition does, and one that dies.
 * - What failed to be settled is settled before anything else is read, unchanged: it may have taken effect, and then the
 *   same jobs must come again. So memory is bounded while the log fails.
 * - Nothing comes due by the clock before everything is read that the log had by then: its return may be among it.
 */
export class Partition {
  readonly ownership: Ownership;
  readonly #events: EventLog;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #timeline = new Timeline();
  readonly #packing: Packing;
  readonly #debounce: Debounce;
  #position = 0;
  #unsettled = 0;
  #draft: SettlementDraft | undefined;
  #turn: Promise<void> | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** When an event arrived that more are behind in the log. */
  #behindSinceMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;

  constructor(ownership: Ownership, dependencies: PackagerDependencies, counters: Counters) {
    const { events, apps, clock, log } = dependencies;
    this.ownership = ownership;
    this.#events = events;
    this.#clock = clock;
    this.#log = log;
    this.#counters = counters;
    const packing = new Packing(apps, clock, log);
    this.#packing = packing;
    this.#debounce = new Debounce({
      tell: (event, dueAtMs) => packing.tell(event, dueAtMs),
      drop(event) {
        counters.eventsSuppressed++;
        packing.drop(event);
      },
    });
  }

  /** When it wants a turn, in elapsed time; infinity during one. */
  get dueMs(): number {
    if (this.#turn !== undefined) return Number.POSITIVE_INFINITY;
    if (this.#failures > 0) return this.#retryAtMs;
    return Math.min(this.#readAtMs, this.#debounce.nextDueMs, this.#packing.nextDueMs);
  }

  /** Events that were read and are not settled. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Since when the event that has been due longest has been. In the future, or infinity, when none is due yet. */
  get oldestDueMs(): number {
    return Math.min(
      this.#behindSinceMs,
      this.#debounce.nextDueMs,
      this.#packing.oldestDueMs,
      this.#draft?.oldestDueMs ?? Number.POSITIVE_INFINITY,
    );
  }

  /** Something may have been appended. */
  wake(): void {
    this.#readAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Rejects with OwnershipLost alone, after which this partition is of no use. */
  async turn(): Promise<void> {
    this.#turn = this.#takeTurn();
    try {
      await this.#turn;
    } finally {
      this.#turn = undefined;
    }
  }

  /** Resolves when no turn is under way. */
  async rest(): Promise<void> {
    await this.#turn?.catch(ignore);
  }

  /** Settles what has gathered, in one attempt, after a turn under way: what fails is in the log for the next owner. */
  async flush(): Promise<void> {
    await this.rest();
    await this.#settle();
    this.#packing.closeAll();
    await this.#settle();
  }

  async #takeTurn(): Promise<void> {
    try {
      if (this.#draft === undefined) await this.#read();
      await this.#settle();
    } catch (error) {
      if (error instanceof OwnershipLost) throw error;
      this.#failed(error);
      return;
    }
    this.#succeeded();
  }

  async #read(): Promise<void> {
    const readAtMs = this.#clock.elapsedMs();
    this.#readAtMs = readAtMs + POLL_INTERVAL_MS;
    let page: readonly LoggedEvent[];
    try {
      page = await this.#events.read(this.ownership, this.#position, PAGE_EVENTS);
    } catch (error) {
      this.#counters.readFailures++;
      throw error;
    }
    this.#unsettled += page.length;
    this.#counters.eventsRead += page.length;
    const wallMs = this.#clock.now();
    const elapsedMs = this.#clock.elapsedMs();
    let arrivalMs = Number.POSITIVE_INFINITY;
    for (const event of page) {
      this.#position = event.sequence;
      arrivalMs = this.#timeline.arrivalMs(event.atMs, wallMs, elapsedMs);
      this.#debounce.apply(event, arrivalMs);
    }
    const isBehind = page.length === PAGE_EVENTS;
    this.#behindSinceMs = isBehind ? arrivalMs : Number.POSITIVE_INFINITY;
    if (isBehind) this.wake();
    else this.#debounce.advance(readAtMs);
    this.#packing.closeDue(elapsedMs);
  }

  async #settle(): Promise<void> {
    this.#draft ??= this.#packing.takeDraft();
    if (this.#draft === undefined) return;
    const settlement = this.#draft.finish();
    try {
      await this.#events.settle(this.ownership, settlement);
    } catch (error) {
      this.#counters.settleFailures++;
      throw error;
    }
    this.#draft = undefined;
    this.#unsettled -= settlement.settled.length;
    const { jobsMade } = this.#counters;
    for (const { appId } of settlement.jobs) jobsMade.set(appId, (jobsMade.get(appId) ?? 0) + 1);
  }

  #failed(err: unknown): void {
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS);
    this.#retryAtMs = this.#clock.elapsedMs() + delayMs;
    this.#failures++;
    if (this.#failures > 1) return;
    const { partition } = this.ownership;
    this.#log.error({ partition, err }, "could not read or settle events: they wait in the log");
  }

  #succeeded(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    const { partition } = this.ownership;
    this.#log.info({ partition }, "events are read and settled again");
  }
}

/** Whoever started the turn heard of it. */
function ignore(): void {}
