import { endpointIdOf } from "../../protocol/webhook.ts";
import { nearest } from "../config/suggestion.ts";
import { AdminFault } from "./admin-fault.ts";
import type { AdminSources } from "./admin-sources.ts";

/** What the parameters of a request say; `webhook` may be an id, or `app/webhook` in one. */
export interface Naming {
  readonly app?: string | undefined;
  readonly webhook?: string | undefined;
}

export interface WebhookName {
  readonly appId: string;
  readonly webhookId: string;
}

export interface EndpointFilter {
  readonly appId?: string;
  readonly webhookId?: string;
}

/** The most names in one sentence. */
const MAX_TOLD = 20;

/**
 * Finds the webhook that a person means: by `app/webhook`, or by the id alone where only one app has it.
 *
 * Those that are configured are looked at first, then those that still have jobs, then those that left but their attempts: a
 * webhook that is gone does not make the name of one that is there ambiguous.
 */
export class WebhookDirectory {
  readonly #sources: Pick<AdminSources, "apps" | "desk" | "deliveries">;

  constructor(sources: Pick<AdminSources, "apps" | "desk" | "deliveries">) {
    this.#sources = sources;
  }

  /** Throws the fault of a name that nothing has, or several have. */
  async find(naming: Naming & { readonly webhook: string }): Promise<WebhookName> {
    const { appId, webhookId } = split(naming);
    for await (const known of this.#tiers()) {
      const [found, ...others] = known.filter(
        (name) => name.webhookId === webhookId && (appId === undefined || name.appId === appId),
      );
      if (found === undefined) continue;
      if (others.length === 0) return found;
      throw new AdminFault(
        409,
        `${webhookId} is the name of several webhooks; say which: ${listed([found, ...others])}`,
      );
    }
    const known = [...this.#configured(), ...(await this.#withJobs())];
    const typed = appId === undefined ? webhookId : endpointIdOf(appId, webhookId);
    throw new AdminFault(404, `There is no webhook ${typed}; ${alternatives(typed, known)}`);
  }

  /** Likewise, where the webhook, the app or both may be left open. */
  async filterOf({ app, webhook }: Naming): Promise<EndpointFilter> {
    if (webhook !== undefined) return this.find({ app, webhook });
    if (app === undefined) return {};
    if (this.#sources.apps.byId(app) !== undefined) return { appId: app };
    for await (const known of this.#tiers()) {
      if (known.some(({ appId }) => appId === app)) return { appId: app };
    }
    const ids = Array.from(this.#sources.apps.all(), ({ id }) => id);
    throw new AdminFault(404, `There is no app ${app}; there are ${shortened(ids)}`);
  }

  async *#tiers(): AsyncIterable<readonly WebhookName[]> {
    yield this.#configured();
    yield await this.#withJobs();
    const attempted = await this.#sources.deliveries.summary(0);
    yield Array.from(attempted.values(), ({ last }) => last);
  }

  #configured(): WebhookName[] {
    return [...this.#sources.apps.all()].flatMap(({ id, webhooks }) =>
      webhooks.map((webhook) => ({ appId: id, webhookId: webhook.id })),
    );
  }

  async #withJobs(): Promise<readonly WebhookName[]> {
    return await this.#sources.desk.endpoints();
  }
}

function split({ app, webhook }: Naming & { readonly webhook: string }): {
  readonly appId: string | undefined;
  readonly webhookId: string;
} {
  const slash = webhook.indexOf("/");
  if (slash === -1) return { appId: app, webhookId: webhook };
  const appId = webhook.slice(0, slash);
  if (app !== undefined && app !== appId) {
    throw new AdminFault(400, `${webhook} is not a webhook of app ${app}`);
  }
  return { appId, webhookId: webhook.slice(slash + 1) };
}

function alternatives(typed: string, known: readonly WebhookName[]): string {
  if (known.length === 0) return "no app has any";
  const ids = known.map(({ appId, webhookId }) => endpointIdOf(appId, webhookId));
  const meant =
    nearest(typed, ids) ??
    nearest(
      typed,
      known.map(({ webhookId }) => webhookId),
    );
  return `${meant === undefined ? "" : `did you mean ${meant}? `}there are ${listed(known)}`;
}

function listed(names: readonly WebhookName[]): string {
  return shortened(names.map(({ appId, webhookId }) => endpointIdOf(appId, webhookId)));
}

function shortened(ids: readonly string[]): string {
  const different = [...new Set(ids)];
  const told = different.slice(0, MAX_TOLD).join(", ");
  return different.length <= MAX_TOLD ? told : `${told} and ${different.length - MAX_TOLD} more`;
}
