import type { TestContext } from "node:test";
import type { RawClient } from "../../e2e/support/raw-web-socket.ts";
import { pause } from "../../e2e/support/wait.ts";

const STEP_MS = 50;

/** A client that comes to new channels at a steady rate, so that each is told of as occupied, until it is stopped. */
export class Arrivals {
  readonly #client: RawClient;
  readonly #counts = new Map<string, number>();
  readonly #perSecond: ReadonlyMap<string, number>;
  readonly #arriving: Promise<void>;
  #isStopped = false;

  private constructor(client: RawClient, perSecond: ReadonlyMap<string, number>) {
    this.#client = client;
    this.#perSecond = perSecond;
    this.#arriving = this.#arrive();
  }

  /** Ends with the test, if it was not stopped before. */
  static start(
    t: TestContext,
    client: RawClient,
    perSecond: ReadonlyMap<string, number>,
  ): Arrivals {
    const arrivals = new Arrivals(client, perSecond);
    t.after(() => arrivals.stop());
    return arrivals;
  }

  get total(): number {
    return Array.from(this.#counts.values()).reduce((sum, count) => sum + count, 0);
  }

  /** How many channels of that kind there are: `<kind>-0`, `<kind>-1` and so on. */
  of(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#arriving;
  }

  async #arrive(): Promise<void> {
    const startedAtMs = performance.now();
    while (!this.#isStopped) {
      const seconds = (performance.now() - startedAtMs) / 1_000;
      for (const [kind, perSecond] of this.#perSecond)
        for (let number = this.of(kind); number < seconds * perSecond; number++) {
          this.#client.askToSubscribe(`${kind}-${number}`);
          this.#counts.set(kind, number + 1);
        }
      await pause(STEP_MS);
    }
  }
}
