import type { WebhookEvent } from "../../protocol/webhook-event.ts";

/**
 * The lasting half of a Roster that decides in memory: what the node held, and the events of the edges it crossed.
 *
 * Guarantees:
 * - The events of one call are recorded all or none, each together with the state that it tells of: `channel_occupied`
 *   and `channel_vacated` begin and end a channel, `member_added` and `member_removed` a member, `subscription_count` is
 *   the count that was told last. State and event cannot come apart, whenever the process ends.
 * - Calls are recorded in their order. A process that ends may lose the last few milliseconds of calls, their state with
 *   them: to whoever looks later, those edges were never crossed.
 * - Nothing is lost while the engine cannot write (a full disk, a lock): it waits, and writes when it can.
 */
export interface Journal {
  /** Undefined: go on. A promise: more waits than is good for memory; resolves when the caller may go on. */
  record(appId: string, events: readonly WebhookEvent[]): Promise<void> | undefined;
}

/** For nodes whose edges nobody is told. */
export const NO_JOURNAL: Journal = { record: () => undefined };
