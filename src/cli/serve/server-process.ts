import type { Logger } from "pino";
import type { Channels } from "../../channels/channels.ts";
import { systemClock } from "../../channels/ports/clock.ts";
import { AdminApi } from "../../ops/admin/admin-api.ts";
import type { LoadedConfig } from "../../ops/config/load.ts";
import { ConfigWatcher } from "../../ops/config/watch.ts";
import { descriptorLimit } from "../../ops/file-descriptors.ts";
import { Lifecycle, type LifecycleState } from "../../ops/lifecycle.ts";
import { Metrics } from "../../ops/metrics/metrics.ts";
import { OperationsServer } from "../../ops/operations-server.ts";
import { VERSION } from "../../ops/version.ts";
import type { Packager } from "../../packager/packager.ts";
import type { App } from "../../protocol/app.ts";
import type { Reporter } from "../../sender/reporter.ts";
import type { Sender } from "../../sender/sender.ts";
import { Workload } from "../../sender/workload.ts";
import { FileAppStore } from "../../stores/file/app-store.ts";
import { RedisFault } from "../../stores/redis/connection.ts";
import { DatabaseFault } from "../../stores/sqlite/database.ts";
import { banner } from "../banner.ts";
import { connectionsAllowed, makeChannels } from "./channels-ring.ts";
import { EmbeddedStore } from "./embedded-store.ts";
import { Housekeeping } from "./housekeeping.ts";
import { stuckParts } from "./liveness.ts";
import type { ProcessStore } from "./process-store.ts";
import { SharedStore } from "./shared-store.ts";
import { plannedStopMs } from "./stop-plan.ts";
import { makePackager, makeReporter, makeSender, testJob } from "./webhook-rings.ts";

/** ^C is a person who waits: no load balancer has to notice, and the sockets go within a second. */
const INTERRUPT_WINDOW_MS = 1_000;

/**
 * The composition root: the one place that knows every part, and puts those together that this process is to have.
 *
 *   new ──start──▶ (operations port) ──▶ (store) ──▶ (rings) ──▶ ready ──SIGTERM──▶ (all of it the other way round)
 *
 * A store that cannot be reached is waited for, with the operations port open, so that a supervisor sees a process that
 * lives and is not ready.
 */
export class ServerProcess {
  readonly #config: LoadedConfig;
  readonly #load: () => Promise<LoadedConfig>;
  readonly #log: Logger;
  readonly #apps: FileAppStore;
  readonly #lifecycle: Lifecycle;
  readonly #descriptors = descriptorLimit();
  readonly #maxConnections: number;
  readonly #metrics: Metrics;
  #operations: OperationsServer | undefined;
  #store: ProcessStore | undefined;
  #channels: Channels | undefined;
  #packager: Packager | undefined;
  #sender: Sender | undefined;
  #reporter: Reporter | undefined;
  #workload: Workload | undefined;
  #admin: AdminApi | undefined;
  #watcher: ConfigWatcher | undefined;
  #port: number | null = null;
  #tlsPort: number | null = null;
  #drainWindowMs: number;
  #drainWindowLeftMs = 0;
  #configurationOk = true;
  #isAskedToStop = false;

  constructor(config: LoadedConfig, load: () => Promise<LoadedConfig>, log: Logger) {
    const { settings } = config;
    this.#config = config;
    this.#load = load;
    this.#log = log;
    this.#apps = new FileAppStore(config.apps);
    this.#lifecycle = new Lifecycle({
      failed: (part, err) => log.error({ part, err }, "a part did not close"),
      late: (part) =>
        log.warn(
          { part, sockets: this.#channels?.connections ?? 0 },
          "stopping takes longer than planned",
        ),
    });
    this.#drainWindowMs = settings.drain.windowMs;
    this.#maxConnections = connectionsAllowed(settings.maxConnections, this.#descriptors, log);
    this.#metrics = this.#makeMetrics();
  }

  /** Resolves when it is ready, or has failed to be: then the exit code says so. */
  async start(): Promise<void> {
    this.#obeySignals();
    try {
      this.#openOperations();
      this.#store = await this.#openStore();
      if (this.#isAskedToStop) return;
      await this.#startRings(this.#store);
    } catch (error) {
      if (this.#isAskedToStop) return;
      await this.#fail(error);
      return;
    }
    this.#addParts(this.#store);
    this.#watch(this.#store);
    this.#lifecycle.ready();
    this.#greet();
  }

  #makeMetrics(): Metrics {
    return new Metrics({
      version: VERSION,
      descriptors: this.#descriptors,
      maxConnections: this.#maxConnections,
      tenants: () => this.#channels?.figures() ?? [],
      state: () => this.#lifecycle.state,
      cacheBytes: () => this.#store?.cacheBytes() ?? 0,
      connections: () => this.#channels?.connections ?? 0,
      drainWindowLeftMs: () => this.#drainWindowLeftMs,
      overrunMs: () => this.#lifecycle.overrunMs,
      configurationOk: () => this.#configurationOk,
      database: () => this.#store?.database(),
      redis: () => this.#store?.redis(),
      events: () => this.#store?.eventFigures() ?? notYet(),
      workload: () => this.#workload?.figures() ?? notYet(),
      packager: () => this.#packager?.figures(),
      sender: () => this.#sender?.figures(),
    });
  }

  #openOperations(): void {
    const { host, port } = this.#config.settings.ops;
    if (port === null) return;
    const state = (): LifecycleState => this.#lifecycle.state;
    this.#operations = new OperationsServer({
      host,
      port,
      metrics: this.#metrics,
      state,
      stuck: () =>
        state() === "ready" ? stuckParts({ packager: this.#packager, sender: this.#sender }) : [],
      troubles: () => this.#store?.troubles() ?? [],
      admin: () => this.#admin,
    });
  }

  #openStore(): Promise<ProcessStore> | ProcessStore {
    const { redis, settings } = this.#config;
    if (redis === null) return EmbeddedStore.open(this.#config, this.#log);
    return SharedStore.open(redis, settings.roles.includes("channels"), this.#log);
  }

  async #startRings(store: ProcessStore): Promise<void> {
    const { settings, tls } = this.#config;
    const { roles } = settings;
    if (store.channels !== undefined) {
      this.#channels = makeChannels(
        this.#config,
        this.#maxConnections,
        this.#apps,
        store.channels,
        this.#log,
      );
    }
    if (roles.includes("packager")) this.#packager = makePackager(store, this.#apps, this.#log);
    const sender = roles.includes("sender")
      ? makeSender(store, this.#config, this.#log)
      : undefined;
    this.#sender = sender;
    if (sender !== undefined) this.#reporter = makeReporter(store, this.#config, sender);
    this.#workload = new Workload(store.desk, store.fleet, systemClock);
    this.#admin = new AdminApi({
      token: settings.ops.adminToken,
      log: this.#log,
      apps: this.#apps,
      desk: store.desk,
      deliveries: store.deliveries,
      fleet: store.fleet,
      senderStates: sender === undefined ? undefined : () => sender.endpointStates(),
      testJob,
      now: Date.now,
    });
    await store.takeOver();
    const endpoint = { host: settings.host, tls: undefined };
    if (this.#channels !== undefined && settings.port !== null)
      this.#port = this.#channels.listen({ ...endpoint, port: settings.port });
    if (this.#channels !== undefined && tls !== null && settings.tls.port !== null)
      this.#tlsPort = this.#channels.listen({ ...endpoint, port: settings.tls.port, tls });
    this.#packager?.start();
    sender?.start();
    this.#reporter?.start();
  }

  async #fail(error: unknown): Promise<void> {
    const isOfStore = error instanceof DatabaseFault || error instanceof RedisFault;
    this.#log.fatal(
      { err: error },
      isOfStore ? error.message : "could not listen: is the port taken?",
    );
    await this.#channels?.destroy();
    await this.#operations?.close();
    this.#metrics.close();
    await this.#store?.close();
    // Whatever is still under way (a connection to the store, perhaps) is not waited for.
    process.exit(1);
  }

  /** In the order of starting: stopping goes the other way, and the operations port answers to the end. */
  #addParts(store: ProcessStore): void {
    const [sender, packager, channels] = [this.#sender, this.#packager, this.#channels];
    const housekeeping = new Housekeeping(store, this.#config.settings, this.#log);
    housekeeping.start();
    this.#lifecycle.add({
      name: "operations",
      close: async () => {
        await this.#operations?.close();
        this.#metrics.close();
      },
    });
    this.#lifecycle.add({
      name: "store",
      close: () => {
        housekeeping.close();
        return store.close();
      },
    });
    if (sender !== undefined)
      this.#lifecycle.add({
        name: "sender",
        // While it drains it takes nothing more: others are to be counted on.
        drain: async () => void (await Promise.all([this.#reporter?.stop(), sender.drain()])),
        close: () => sender.close(),
      });
    if (packager !== undefined)
      this.#lifecycle.add({
        name: "packager",
        drain: () => packager.drain(),
        close: () => packager.close(),
      });
    if (channels !== undefined)
      this.#lifecycle.add({
        name: "channels",
        drain: () => this.#drain(channels),
        close: () => channels.close(),
      });
    this.#lifecycle.add({
      name: "configuration",
      close: () => Promise.resolve(this.#watcher?.close()),
    });
  }

  async #drain(channels: Channels): Promise<void> {
    const windowMs = this.#drainWindowMs;
    this.#log.info({ sockets: channels.connections, windowMs }, "draining");
    await channels.drain(windowMs, ({ windowLeftMs }) => {
      this.#drainWindowLeftMs = windowLeftMs;
    });
    this.#drainWindowLeftMs = 0;
  }

  #watch(store: ProcessStore): void {
    const log = this.#log;
    this.#watcher = new ConfigWatcher(this.#config, {
      load: this.#load,
      changes: {
        apps: (changed) => {
          this.#apps.replace(changed);
          log.info({ apps: changed.length }, "apps changed");
          this.#warnOfMemory(store, changed);
        },
        tls: (material) => {
          if (this.#tlsPort === null || this.#channels === undefined) return;
          const { host } = this.#config.settings;
          this.#channels.renewTls({ host, port: this.#tlsPort, tls: material });
          log.info({ port: this.#tlsPort }, "certificate renewed: new connections get it");
        },
        restartNeeded: (fields) =>
          log.warn({ fields }, "settings changed that take effect at the next start"),
        refused: (error) => {
          this.#configurationOk = false;
          log.error(
            { problems: error.problems },
            "the configuration is wrong; the one before it stays in force",
          );
        },
        recovered: () => {
          this.#configurationOk = true;
          log.info({}, "the configuration is right again");
        },
        failed: (err) => log.error({ err }, "could not look at the configuration"),
      },
    });
    this.#watcher.start();
  }

  #warnOfMemory({ isLasting }: ProcessStore, changed: readonly App[]): void {
    if (isLasting || changed.every(({ webhooks }) => webhooks.length === 0)) return;
    this.#log.warn(
      {},
      "there is no database: what webhooks are owed is lost when this process ends",
    );
  }

  #obeySignals(): void {
    const { settings } = this.#config;
    const { windowMs } = settings.drain;
    // Without channels nobody routes to us who would have to notice: whatever we have is handed back at once.
    const noticeMs = settings.roles.includes("channels") ? settings.drain.noticeMs : 0;
    process.on("SIGTERM", () => void this.#stop("SIGTERM", noticeMs, windowMs));
    process.on(
      "SIGINT",
      () => void this.#stop("SIGINT", 0, Math.min(windowMs, INTERRUPT_WINDOW_MS)),
    );
    process.on("SIGHUP", () => {
      this.#watcher
        ?.reload()
        .catch((err: unknown) =>
          this.#log.error({ err }, "could not read the configuration again"),
        );
    });
    // A fault that nobody caught belongs to one socket or request; it must not end all the others.
    process.on("uncaughtException", (err) => this.#log.error({ err }, "uncaught exception"));
    process.on("unhandledRejection", (err) => this.#log.error({ err }, "unhandled rejection"));
  }

  async #stop(signal: string, noticeMs: number, windowMs: number): Promise<void> {
    if (this.#isAskedToStop) {
      this.#log.warn({ signal }, "asked again: stopping at once");
      process.exit(1);
    }
    this.#isAskedToStop = true;
    const { settings } = this.#config;
    const plannedMs = plannedStopMs(settings, noticeMs, windowMs);
    this.#drainWindowMs = windowMs;
    if (this.#channels !== undefined) this.#drainWindowLeftMs = windowMs;
    this.#log.info({ signal, noticeMs, windowMs, plannedMs }, "stopping; a second signal forces");
    this.#channels?.dismiss();
    const { deadlineMs } = settings.drain;
    const { inTime, unclosed } = await this.#lifecycle.stop({ noticeMs, plannedMs, deadlineMs });
    if (inTime) this.#log.info({}, "stopped");
    else
      this.#log.error(
        { parts: unclosed, sockets: this.#channels?.connections ?? 0 },
        "the deadline came before everything was closed",
      );
    process.exit(inTime ? 0 : 1);
  }

  #greet(): void {
    const { settings, apps, defaultApp } = this.#config;
    const { host, pathPrefix, ops, roles } = settings;
    const [port, tlsPort, operations] = [this.#port, this.#tlsPort, this.#operations];
    this.#log.info(
      {
        version: VERSION,
        port,
        tlsPort,
        opsPort: operations?.port ?? null,
        roles,
        apps: apps.length,
      },
      "ready",
    );
    if (settings.log.format !== "pretty" || this.#channels === undefined) return;
    const facts = {
      host,
      port,
      tlsPort,
      pathPrefix,
      operations: operations === undefined ? null : { host: ops.host, port: operations.port },
      defaultApp,
      apps: apps.length,
    };
    process.stdout.write(`\n${banner(facts)}\n`);
  }
}

function notYet(): Promise<never> {
  return Promise.reject(new Error("The store is not open yet."));
}
