/** A part of the process that starts and ends with it. */
export interface Part {
  readonly name: string;
  /** Gives back or finishes what it has, while the parts started before it still work. */
  drain?(): Promise<void>;
  close(): Promise<void>;
}

export type LifecycleState = "starting" | "ready" | "draining" | "closed";

export interface StopOptions {
  /** How long the world is given to notice that we are not ready, before anything is closed. */
  readonly noticeMs: number;
  /** From the call on: how long all of it takes when nothing hangs. */
  readonly plannedMs: number;
  /** From the call on: whatever is not closed by then is left as it is. */
  readonly deadlineMs: number;
}

export interface StopOutcome {
  readonly inTime: boolean;
  /** What the deadline came before, in the order in which it would have been closed. */
  readonly unclosed: readonly string[];
}

/** Is told what an operator should know of. */
export interface LifecycleWatch {
  failed(part: string, error: unknown): void;
  /** Stopping takes longer than planned, and this is the part that it waits for. Told once. */
  late(part: string): void;
}

/**
 * The life of the process and of its parts.
 *
 *   starting ──ready()──▶ ready ──stop()──▶ draining ──▶ closed
 *       └───────────stop()───────────▲
 *
 * Stopping goes: not ready at once; nothing else for the notice; then each part drains and closes, the last started
 * first, so that a part never works without what it stands on. One deadline is for all of it. Calling stop again answers
 * the same promise.
 */
export class Lifecycle {
  readonly #parts: Part[] = [];
  readonly #watch: LifecycleWatch;
  #state: LifecycleState = "starting";
  #stopping: Promise<StopOutcome> | undefined;
  /** Names of what is still to be closed while stopping; the first is under way. */
  #unclosed: string[] = [];
  /** When it should be done; of `performance.now`. */
  #plannedEndMs: number | undefined;

  constructor(watch: LifecycleWatch) {
    this.#watch = watch;
  }

  get state(): LifecycleState {
    return this.#state;
  }

  /** How long stopping has taken beyond what was planned for it. */
  get overrunMs(): number {
    if (this.#plannedEndMs === undefined) return 0;
    return Math.max(0, performance.now() - this.#plannedEndMs);
  }

  add(part: Part): void {
    this.#parts.push(part);
  }

  ready(): void {
    if (this.#state === "starting") this.#state = "ready";
  }

  /** Resolves when all is closed, or when the deadline has come. */
  stop(options: StopOptions): Promise<StopOutcome> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #stop({ noticeMs, plannedMs, deadlineMs }: StopOptions): Promise<StopOutcome> {
    const wasReady = this.#state === "ready";
    this.#state = "draining";
    const parts = this.#parts.toReversed();
    this.#unclosed = ["notice", ...parts.map(({ name }) => name)];
    this.#plannedEndMs = performance.now() + plannedMs;
    let deadlineTimer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => {
      deadlineTimer = setTimeout(resolve, deadlineMs);
    });
    const lateTimer = setTimeout(() => this.#watch.late(this.#unclosed[0] ?? ""), plannedMs);
    await Promise.race([deadline, this.#closeAll(parts, wasReady ? noticeMs : 0)]);
    clearTimeout(deadlineTimer);
    clearTimeout(lateTimer);
    this.#state = "closed";
    return { inTime: this.#unclosed.length === 0, unclosed: [...this.#unclosed] };
  }

  async #closeAll(parts: readonly Part[], noticeMs: number): Promise<void> {
    if (noticeMs > 0) await new Promise((resolve) => setTimeout(resolve, noticeMs));
    this.#unclosed.shift();
    for (const part of parts) {
      // One part that fails must not keep the others from handing back what they have.
      try {
        await part.drain?.();
        await part.close();
      } catch (error) {
        this.#watch.failed(part.name, error);
      }
      this.#unclosed.shift();
    }
  }
}
