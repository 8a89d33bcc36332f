import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import { backOffMs } from "./back-off.ts";
import type { RedisFault } from "../connection.ts";
import { faultOf } from "./fault.ts";
import type { RedisAddress } from "../settings.ts";
import type { SlotMap } from "./slot-map.ts";
import type { Topology } from "./topology.ts";

const BACK_OFF = { firstMs: 100, mostMs: 2_000 };
/** Changes are noticed by their effects; this finds those that had none yet. */
const INTERVAL_MS = 30_000;
/** Just after a change servers tell of what was before, each until it has heard. */
const SECOND_LOOKS_MS: readonly number[] = [500, 1_000, 2_000, 4_000];

export interface SurveyorOptions {
  readonly topology: Topology;
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
  /** Those that are most likely to answer first. */
  known(): readonly RedisAddress[];
  found(map: SlotMap): void;
  failed(fault: RedisFault): void;
  /** Whether what was found last can be worked with. */
  isSettled(): boolean;
}

/**
 * Keeps track of which servers there are.
 *
 *   resting ──survey, or after a while──▶ asking ──(found, and settled)──▶ resting
 *                                         ▲    │
 *                                         └────┴──failed; not settled; asked for once more: after a pause──
 *
 * Where one server has to stand in for another nobody tells us when it does, so it asks until it is so; and a few times more,
 * at growing intervals, for the first answer may be an old one.
 */
export class Surveyor {
  readonly #options: SurveyorOptions;
  readonly #closing = new AbortController();
  #isAsking = false;
  #mustAskAgain = false;
  #failures = 0;
  #looks = 0;
  #cancel: (() => void) | undefined;
  #endWatch: (() => void) | undefined;

  constructor(options: SurveyorOptions) {
    this.#options = options;
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  survey(): void {
    if (this.#isClosed) return;
    const { topology, log, random } = this.#options;
    this.#endWatch ??= topology.watch({ log, random, onNews: () => this.survey() });
    this.#mustAskAgain = true;
    this.#looks = 0;
    if (!this.#isAsking) void this.#ask();
  }

  close(): void {
    this.#closing.abort();
    this.#cancel?.();
    this.#endWatch?.();
  }

  /** Trouble comes in swarms: whatever asks for it meanwhile has it done once more, later. */
  async #ask(): Promise<void> {
    const { topology, known, found, failed, isSettled } = this.#options;
    this.#isAsking = true;
    this.#mustAskAgain = false;
    this.#cancel?.();
    let isFound = false;
    try {
      const map = await topology.survey(known(), this.#closing.signal);
      if (this.#isClosed) return;
      isFound = true;
      found(map);
    } catch (error) {
      if (this.#isClosed) return;
      failed(faultOf(error));
    }
    if (topology.isFixed && isFound) return;
    const isOver = isFound && !this.#mustAskAgain && isSettled();
    if (isOver) this.#failures = 0;
    this.#isAsking = !isOver;
    this.#askAfter(isOver ? (SECOND_LOOKS_MS[this.#looks++] ?? INTERVAL_MS) : this.#pauseMs());
  }

  #askAfter(delayMs: number): void {
    const { clock } = this.#options;
    this.#cancel = clock.after(delayMs, () => void this.#ask());
  }

  #pauseMs(): number {
    return backOffMs(this.#failures++, BACK_OFF, this.#options.random);
  }
}
