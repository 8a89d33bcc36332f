import { parseReport, type Fleet, type SenderReport } from "../../../sender/ports/fleet.ts";
import type { RedisConnection, Reply } from "../connection.ts";
import type { Keys } from "../keys.ts";
import reportSource from "../lua/report-sender.lua" with { type: "text" };
import sendersSource from "../lua/senders.lua" with { type: "text" };
import timeSource from "../lua/time.lua" with { type: "text" };
import withdrawSource from "../lua/withdraw-sender.lua" with { type: "text" };
import { script } from "../script.ts";
import type { StoreTime } from "../time.ts";

/** They free as much as they take, and a full store is when one wants to know. */
const ALSO_WHEN_FULL = "#!lua flags=allow-oom";
const REPORT = script("report-sender", ALSO_WHEN_FULL, timeSource, reportSource);
const WITHDRAW = script("withdraw-sender", ALSO_WHEN_FULL, withdrawSource);
const SENDERS = script("senders", ALSO_WHEN_FULL, timeSource, sendersSource);

/** Reports in a hash beside the queue. The server's clock ends them. */
export class RedisFleet implements Fleet {
  readonly #connection: RedisConnection;
  readonly #key: string;
  readonly #time: StoreTime;

  constructor(connection: RedisConnection, keys: Keys, time: StoreTime) {
    this.#connection = connection;
    this.#key = keys.jobs("senders");
    this.#time = time;
  }

  async report(report: SenderReport, ttlMs: number): Promise<void> {
    const args = [this.#time(), report.senderId, `${ttlMs}`, JSON.stringify(report)];
    await this.#connection.run(REPORT, [this.#key], args);
  }

  async withdraw(senderId: string): Promise<void> {
    await this.#connection.run(WITHDRAW, [this.#key], [senderId]);
  }

  async reports(): Promise<readonly SenderReport[]> {
    const reply = await this.#connection.run(SENDERS, [this.#key], [this.#time()]);
    return (reply as readonly Reply[])
      .map((json) => parseReport(String(json)))
      .filter((report) => report !== undefined)
      .toSorted((one, other) => (one.senderId < other.senderId ? -1 : 1));
  }
}
