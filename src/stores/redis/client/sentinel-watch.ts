import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import { backOffMs } from "./back-off.ts";
import type { Access, RedisAddress } from "../settings.ts";
import { SubscriptionLink } from "./subscription-link.ts";

const BACK_OFF = { firstMs: 100, mostMs: 10_000 };

export interface SentinelWatchOptions {
  readonly sentinels: readonly RedisAddress[];
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
  /** There is another primary, of one name or another. */
  onSwitch(): void;
}

/**
 * Hears from Sentinels, from as many as answer, when they have made another server the primary. The old one may live on and
 * take writes for a while, of which nothing will be left.
 */
export class SentinelWatch {
  readonly #options: SentinelWatchOptions;
  readonly #closing = new AbortController();
  readonly #links = new Set<SubscriptionLink>();
  readonly #pauses = new Set<() => void>();

  constructor(options: SentinelWatchOptions) {
    this.#options = options;
    for (const sentinel of options.sentinels) void this.#listenTo(sentinel, 0);
  }

  close(): void {
    this.#closing.abort();
    for (const cancel of this.#pauses) cancel();
    for (const link of this.#links) link.close();
  }

  async #listenTo(address: RedisAddress, failures: number): Promise<void> {
    const { access, clock, log, onSwitch } = this.#options;
    const { signal } = this.#closing;
    try {
      const link = await SubscriptionLink.open({
        address,
        access,
        clock,
        log,
        signal,
        onReply: (reply) => {
          if (Array.isArray(reply) && reply[0] === "message") onSwitch();
        },
        onLost: () => {
          this.#links.delete(link);
          this.#retry(address, 1);
        },
      });
      this.#links.add(link);
      link.send([["SUBSCRIBE", "+switch-master"]]);
      // It may have happened before.
      if (failures > 0) onSwitch();
    } catch {
      this.#retry(address, failures + 1);
    }
  }

  #retry(address: RedisAddress, failures: number): void {
    if (this.#closing.signal.aborted) return;
    const { clock, random } = this.#options;
    const cancel = clock.after(backOffMs(failures, BACK_OFF, random), () => {
      this.#pauses.delete(cancel);
      void this.#listenTo(address, failures);
    });
    this.#pauses.add(cancel);
  }
}
