import {
  type EventLog,
  type LoggedEvent,
  type Ownership,
  type Settlement,
} from "../../src/packager/ports/event-log.ts";

type Method = "own" | "read" | "settle" | "release";
type Trouble =
  | { readonly kind: "fails"; readonly error: Error }
  /** It takes effect, and then fails: the caller cannot know. */
  | { readonly kind: "fails-late"; readonly error: Error }
  /** The answer comes when `mend` is called, the effect at once or (late) then. */
  | { readonly kind: "slow" | "late"; readonly mended: Promise<void> }
  /** The answer never comes, and the call has no effect; for one partition, or for all. */
  | { readonly kind: "hangs"; readonly partition: number | undefined };

/** An EventLog elsewhere, with its troubles. It also remembers what was asked of it. */
export class TroubledEventLog implements EventLog {
  readonly inner: EventLog;
  /** Every settlement that was tried, whatever came of it. */
  readonly settlements: Settlement[] = [];
  readonly pages: number[] = [];
  readonly #troubles = new Map<Method, Trouble>();
  readonly #calls = new Map<Method, number>();
  readonly #speedUp: (() => void)[] = [];
  #isDeaf = false;

  constructor(inner: EventLog) {
    this.inner = inner;
  }

  calls(method: Method): number {
    return this.#calls.get(method) ?? 0;
  }

  fail(method: Method, error = new Error(`The log failed in ${method}.`)): void {
    this.#troubles.set(method, { kind: "fails", error });
  }

  failLate(method: Method): void {
    const error = new Error(`The log failed after ${method}.`);
    this.#troubles.set(method, { kind: "fails-late", error });
  }

  hang(method: Method, partition?: number): void {
    this.#troubles.set(method, { kind: "hangs", partition });
  }

  delay(method: Method, kind: "slow" | "late"): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#speedUp.push(resolve);
    this.#troubles.set(method, { kind, mended: promise });
  }

  mend(): void {
    this.#troubles.clear();
    for (const speedUp of this.#speedUp.splice(0)) speedUp();
  }

  /** From now on it gives no hints. */
  deafen(): void {
    this.#isDeaf = true;
  }

  own(): Promise<readonly Ownership[]> {
    return this.#answer("own", undefined, () => this.inner.own());
  }

  async read(ownership: Ownership, after: number, max: number): Promise<readonly LoggedEvent[]> {
    const page = await this.#answer("read", ownership, () =>
      this.inner.read(ownership, after, max),
    );
    this.pages.push(page.length);
    return page;
  }

  settle(ownership: Ownership, settlement: Settlement): Promise<void> {
    this.settlements.push(structuredClone(settlement));
    return this.#answer("settle", ownership, () => this.inner.settle(ownership, settlement));
  }

  release(): Promise<void> {
    return this.#answer("release", undefined, () => this.inner.release());
  }

  onAppend(listener: () => void): () => void {
    return this.inner.onAppend(() => {
      if (!this.#isDeaf) listener();
    });
  }

  async #answer<T>(
    method: Method,
    ownership: Ownership | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    this.#calls.set(method, this.calls(method) + 1);
    const trouble = this.#troubles.get(method);
    switch (trouble?.kind) {
      case "fails":
        throw trouble.error;
      case "fails-late":
        await call();
        throw trouble.error;
      case "slow": {
        const answer = await call();
        await trouble.mended;
        return answer;
      }
      case "late":
        await trouble.mended;
        return call();
      case "hangs":
        if ((trouble.partition ?? ownership?.partition) !== ownership?.partition) return call();
        return new Promise(() => {});
      default:
        return call();
    }
  }
}
