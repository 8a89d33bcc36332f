import { signingKey, type App } from "../../protocol/app.ts";
import { endpointIdOf, type Webhook } from "../../protocol/webhook.ts";
import type { Log } from "../../sender/ports/log.ts";
import { AdminFault } from "./admin-fault.ts";
import type { AdminSources } from "./admin-sources.ts";
import { NAMED_PARAMETERS, PAUSE_PARAMETERS, REPLAY_PARAMETERS, checked } from "./parameters.ts";
import type { WebhookDirectory, WebhookName } from "./webhook-directory.ts";

/** What people do to webhooks by hand. Each act is logged. */
export class WebhookControl {
  readonly #sources: Pick<AdminSources, "apps" | "desk" | "testJob" | "now">;
  readonly #directory: WebhookDirectory;
  readonly #log: Log;

  constructor(
    sources: Pick<AdminSources, "apps" | "desk" | "testJob" | "now">,
    directory: WebhookDirectory,
    log: Log,
  ) {
    this.#sources = sources;
    this.#directory = directory;
    this.#log = log;
  }

  /** To replay everything, one must say so: an empty filter is more often a mistake. */
  async replay(parameters: unknown): Promise<{ readonly replayed: number }> {
    const { all, ...wanted } = checked(REPLAY_PARAMETERS(this.#sources.now()), parameters);
    const isNarrowed = Object.values(wanted).some((value) => value !== undefined);
    if (isNarrowed === (all === true)) {
      throw new AdminFault(
        400,
        "Say which: app, webhook, job, since or until, or all: true and none of these",
      );
    }
    const filter = {
      ...(await this.#directory.filterOf(wanted)),
      jobId: wanted.job,
      sinceMs: wanted.since,
      untilMs: wanted.until,
    };
    const replayed = await this.#sources.desk.replay(filter);
    this.#log.info({ ...filter, replayed }, "dead letters were put back by hand");
    return { replayed };
  }

  async pause(parameters: unknown): Promise<object> {
    const { reason, ...naming } = checked(PAUSE_PARAMETERS, parameters);
    const name = await this.#directory.find(naming);
    await this.#sources.desk.pause(endpointIdOf(name.appId, name.webhookId), reason);
    this.#log.info({ ...name, reason }, "webhook paused by hand");
    return { app: name.appId, webhook: name.webhookId, paused: true, reason };
  }

  async resume(parameters: unknown): Promise<object> {
    const name = await this.#directory.find(checked(NAMED_PARAMETERS, parameters));
    const wasPaused = await this.#sources.desk.resume(endpointIdOf(name.appId, name.webhookId));
    if (wasPaused) this.#log.info({ ...name }, "webhook resumed by hand");
    return { app: name.appId, webhook: name.webhookId, paused: false, wasPaused };
  }

  /** Answers as soon as the job is in the queue: what becomes of it is in its attempts. */
  async test(parameters: unknown): Promise<object> {
    const name = await this.#directory.find(checked(NAMED_PARAMETERS, parameters));
    const { app, webhook } = this.#configured(name);
    const id = endpointIdOf(app.id, webhook.id);
    if (signingKey(app) === undefined) {
      throw new AdminFault(409, `App ${app.id} has no active key to sign with`);
    }
    const pause = await this.#pauseOf(name);
    if (pause !== null) {
      throw new AdminFault(409, `${id} is paused (${pause.reason}); resume it first`);
    }
    const job = this.#sources.testJob(app, webhook);
    if (!(await this.#sources.desk.add(job))) {
      throw new Error(`The queue had a job ${job.id} already.`);
    }
    this.#log.info({ ...name, jobId: job.id }, "test webhook asked for");
    return { app: app.id, webhook: webhook.id, job: job.id };
  }

  #configured({ appId, webhookId }: WebhookName): { readonly app: App; readonly webhook: Webhook } {
    const app = this.#sources.apps.byId(appId);
    const webhook = app?.webhooks.find(({ id }) => id === webhookId);
    if (app !== undefined && webhook !== undefined) return { app, webhook };
    const id = endpointIdOf(appId, webhookId);
    throw new AdminFault(404, `${id} is no longer configured: there is nothing to test`);
  }

  async #pauseOf(name: WebhookName): Promise<{ readonly reason: string } | null> {
    const endpoints = await this.#sources.desk.endpoints();
    const load = endpoints.find(
      ({ appId, webhookId }) => appId === name.appId && webhookId === name.webhookId,
    );
    return load?.paused ?? null;
  }
}
