import { signingKey, type App, type AppKey } from "../protocol/app.ts";
import { MAX_EVENTS_PER_WEBHOOK, wantsEvent } from "../protocol/webhook.ts";
import { Batches, type Batch } from "./batches.ts";
import { buildJob } from "./job-builder.ts";
import type { AppDirectory } from "./ports/app-directory.ts";
import type { Clock } from "./ports/clock.ts";
import type { LoggedEvent } from "./ports/event-log.ts";
import type { Log } from "./ports/log.ts";
import { SettlementDraft } from "./settlement-draft.ts";

/**
 * Makes jobs of the events that are told, as the apps are set up at that moment: whatever is gone, or wants an event no
 * more, gets none. Once told, an event is in an open batch or in the draft of the next settlement.
 */
export class Packing {
  readonly #apps: AppDirectory;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #batches = new Batches();
  /** Apps without an active key that were warned about, while that lasts. */
  readonly #keyless = new Set<string>();
  #draft = new SettlementDraft();

  constructor(apps: AppDirectory, clock: Clock, log: Log) {
    this.#apps = apps;
    this.#clock = clock;
    this.#log = log;
  }

  /** When the next batch closes by time. */
  get nextDueMs(): number {
    return this.#batches.nextDueMs;
  }

  get oldestDueMs(): number {
    return Math.min(this.#batches.oldestDueMs, this.#draft.oldestDueMs);
  }

  tell(event: LoggedEvent, dueAtMs: number): void {
    const app = this.#apps.byId(event.appId);
    const webhooks =
      app?.webhooks.filter(
        (webhook) =>
          wantsEvent(webhook, event.name, event.channel) && !event.handledFor.includes(webhook.id),
      ) ?? [];
    if (app === undefined || webhooks.length === 0) {
      this.drop(event);
      return;
    }
    const telling = { event, dueAtMs, waitsFor: webhooks.length };
    const maxEvents = app.batchWebhooks ? MAX_EVENTS_PER_WEBHOOK : 1;
    for (const { id } of webhooks) {
      const full = this.#batches.add(telling, id, maxEvents, this.#clock.elapsedMs());
      if (full !== undefined) this.#pack(full);
    }
  }

  drop(event: LoggedEvent): void {
    this.#draft.settle(event);
  }

  /** Closes the batches whose time is up. */
  closeDue(nowMs: number): void {
    for (const batch of this.#batches.takeDue(nowMs)) this.#pack(batch);
  }

  /** Closes all batches, though they may not have their time. */
  closeAll(): void {
    this.closeDue(Number.POSITIVE_INFINITY);
  }

  /** What is to be settled, which is the caller's from now on; undefined when there is nothing. */
  takeDraft(): SettlementDraft | undefined {
    if (this.#draft.isEmpty) return undefined;
    const draft = this.#draft;
    this.#draft = new SettlementDraft();
    return draft;
  }

  #pack({ appId, webhookId, tellings }: Batch): void {
    const app = this.#apps.byId(appId);
    const webhook = app?.webhooks.find(({ id }) => id === webhookId);
    const key = app && this.#signingKey(app);
    if (app === undefined || webhook === undefined || key === undefined) {
      for (const telling of tellings) this.#draft.done(telling);
      return;
    }
    // Both may have changed while the batch was open: what the webhook wants, and whether the app batches.
    const wanted = tellings.filter((telling) => {
      const isWanted = wantsEvent(webhook, telling.event.name, telling.event.channel);
      if (!isWanted) this.#draft.done(telling);
      return isWanted;
    });
    const bodies = app.batchWebhooks ? [wanted] : wanted.map((telling) => [telling]);
    for (const body of bodies) {
      if (body.length === 0) continue;
      const events = body.map(({ event }) => event);
      this.#draft.addJob(buildJob(appId, key, webhook, events, this.#clock.now()), body);
    }
  }

  #signingKey(app: App): AppKey | undefined {
    const key = signingKey(app);
    if (key !== undefined) this.#keyless.delete(app.id);
    else if (!this.#keyless.has(app.id)) {
      this.#keyless.add(app.id);
      this.#log.warn({ appId: app.id }, "no key is active to sign webhooks with: none are sent");
    }
    return key;
  }
}
