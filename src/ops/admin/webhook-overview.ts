import type { App } from "../../protocol/app.ts";
import { endpointIdOf, type Webhook } from "../../protocol/webhook.ts";
import type { EndpointState } from "../../sender/figures.ts";
import type { AttemptSummary } from "../../sender/ports/delivery-log.ts";
import type { EndpointLoad } from "../../sender/ports/job-desk.ts";
import type { AdminSources } from "./admin-sources.ts";
import { isoTime } from "./moment.ts";
import { LIST_PARAMETERS, checked } from "./parameters.ts";
import { shownUrl } from "./shown-url.ts";
import type { WebhookDirectory } from "./webhook-directory.ts";
import { shownAttempt, type ShownAttempt } from "./webhook-history.ts";

/** How the sender of one process sees a webhook. */
export type SenderView = Pick<EndpointState, "breaker" | "consecutiveFailures" | "inFlight">;

/** A webhook as the admin API shows it. */
export interface ShownWebhook {
  readonly app: string;
  readonly webhook: string;
  /** False for one that is no longer in the configuration but still has jobs, or is paused. */
  readonly configured: boolean;
  /** Of one that is gone, as its jobs have it; empty where it has none. */
  readonly url: string;
  /** Empty unless configured; null where there is no filter. */
  readonly events: readonly string[];
  readonly channelPrefix: string | null;
  readonly channelSuffix: string | null;
  readonly paused: { readonly reason: string; readonly since: string } | null;
  readonly due: number;
  readonly leased: number;
  readonly delayed: number;
  readonly dead: number;
  /** As the process that answers sees it; null where that process sends nothing. */
  readonly sender: SenderView | null;
  readonly last24Hours: { readonly delivered: number; readonly failed: number };
  /** The newest of these 24 hours. */
  readonly lastAttempt: ShownAttempt | null;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const IDLE: SenderView = { breaker: "closed", consecutiveFailures: 0, inFlight: 0 };

/** Joins what is configured with what the queue, the delivery log and the sender tell of it. */
export class WebhookOverview {
  readonly #sources: AdminSources;
  readonly #directory: WebhookDirectory;

  constructor(sources: AdminSources, directory: WebhookDirectory) {
    this.#sources = sources;
    this.#directory = directory;
  }

  /** In the order of the configuration; those that are gone follow, by name. */
  async list(parameters: unknown): Promise<{ readonly webhooks: readonly ShownWebhook[] }> {
    const filter = await this.#directory.filterOf(checked(LIST_PARAMETERS, parameters));
    const { apps, desk, deliveries, senderStates, now } = this.#sources;
    const [endpoints, summaries] = await Promise.all([
      desk.endpoints(),
      deliveries.summary(now() - DAY_MS),
    ]);
    const loads = new Map(
      endpoints.map((load) => [endpointIdOf(load.appId, load.webhookId), load]),
    );
    const views = senderStates && viewsOf(senderStates());
    const show = (appId: string, webhookId: string, webhook: Webhook | undefined): ShownWebhook => {
      const id = endpointIdOf(appId, webhookId);
      const view = views === undefined ? null : (views.get(id) ?? IDLE);
      return shownWebhook({ appId, webhookId }, webhook, loads.get(id), summaries.get(id), view);
    };

    const isWanted = (appId: string): boolean =>
      filter.appId === undefined || filter.appId === appId;
    const configured = [...apps.all()]
      .filter(({ id }) => isWanted(id))
      .flatMap(({ id, webhooks }) => webhooks.map((webhook) => show(id, webhook.id, webhook)));
    const gone = [...loads]
      .filter(([, load]) => isWanted(load.appId) && !isConfigured(apps.byId(load.appId), load))
      .toSorted(([id], [other]) => (id < other ? -1 : 1))
      .map(([, { appId, webhookId }]) => show(appId, webhookId, undefined));
    return { webhooks: [...configured, ...gone] };
  }
}

function viewsOf(states: Iterable<EndpointState>): ReadonlyMap<string, SenderView> {
  return new Map(
    Array.from(states, ({ endpointId, breaker, consecutiveFailures, inFlight }) => [
      endpointId,
      { breaker, consecutiveFailures, inFlight },
    ]),
  );
}

function isConfigured(app: App | undefined, { webhookId }: EndpointLoad): boolean {
  return app !== undefined && app.webhooks.some(({ id }) => id === webhookId);
}

function shownWebhook(
  { appId, webhookId }: Pick<EndpointLoad, "appId" | "webhookId">,
  webhook: Webhook | undefined,
  load: EndpointLoad | undefined,
  summary: AttemptSummary | undefined,
  sender: SenderView | null,
): ShownWebhook {
  const pause = load?.paused ?? null;
  return {
    app: appId,
    webhook: webhookId,
    configured: webhook !== undefined,
    url: shownUrl(webhook?.url ?? load?.url ?? ""),
    events: webhook?.events ?? [],
    channelPrefix: webhook?.channelPrefix ?? null,
    channelSuffix: webhook?.channelSuffix ?? null,
    paused: pause && { reason: pause.reason, since: isoTime(pause.sinceMs) },
    due: load?.due ?? 0,
    leased: load?.leased ?? 0,
    delayed: load?.delayed ?? 0,
    dead: load?.dead ?? 0,
    sender,
    last24Hours: { delivered: summary?.delivered ?? 0, failed: summary?.failed ?? 0 },
    lastAttempt: summary === undefined ? null : shownAttempt(summary.last),
  };
}
