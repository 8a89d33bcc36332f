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
  /** From the call on: whatever is not closed by then is left as it is. */
  readonly deadlineMs: number;
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
  readonly #onError: (part: string, error: unknown) => void;
  #state: LifecycleState = "starting";
  #stopping: Promise<{ readonly inTime: boolean }> | undefined;

  constructor(onError: (part: string, error: unknown) => void) {
    this.#onError = onError;
  }

  get state(): LifecycleState {
    return this.#state;
  }

  add(part: Part): void {
    this.#parts.push(part);
  }

  ready(): void {
    if (this.#state === "starting") this.#state = "ready";
  }

  /** Resolves when all is closed, or when the deadline has come. */
  stop(options: StopOptions): Promise<{ readonly inTime: boolean }> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async #stop({ noticeMs, deadlineMs }: StopOptions): Promise<{ readonly inTime: boolean }> {
    const wasReady = this.#state === "ready";
    this.#state = "draining";
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<{ inTime: boolean }>((resolve) => {
      timer = setTimeout(resolve, deadlineMs, { inTime: false });
    });
    const outcome = await Promise.race([deadline, this.#closeAll(wasReady ? noticeMs : 0)]);
    clearTimeout(timer);
    this.#state = "closed";
    return outcome;
  }

  async #closeAll(noticeMs: number): Promise<{ inTime: boolean }> {
    if (noticeMs > 0) await new Promise((resolve) => setTimeout(resolve, noticeMs));
    for (const part of this.#parts.toReversed()) {
      // One part that fails must not keep the others from handing back what they have.
      try {
        await part.drain?.();
        await part.close();
      } catch (error) {
        this.#onError(part.name, error);
      }
    }
    return { inTime: true };
  }
}
