import { Command } from "commander";
import type { App } from "../protocol/app.ts";
import { AdminApi } from "../ops/admin/admin-api.ts";
import { loadConfig, type ConfigInputs, type LoadedConfig } from "../ops/config/load.ts";
import { ConfigError } from "../ops/config/problem.ts";
import { ConfigWatcher } from "../ops/config/watch.ts";
import { descriptorLimit } from "../ops/file-descriptors.ts";
import { Lifecycle } from "../ops/lifecycle.ts";
import { createLog } from "../ops/log.ts";
import { Metrics } from "../ops/metrics/metrics.ts";
import { OperationsServer } from "../ops/operations-server.ts";
import { VERSION } from "../ops/version.ts";
import { FileAppStore } from "../stores/file/app-store.ts";
import { DatabaseFault } from "../stores/sqlite/database.ts";
import { banner } from "./banner.ts";
import { addConfigFlags, configInputsFrom } from "./config-flags.ts";
import { ChannelsRing, connectionsAllowed } from "./serve/channels-ring.ts";
import { Housekeeping } from "./serve/housekeeping.ts";
import { stuckParts } from "./serve/liveness.ts";
import { openStore, type OpenedStore } from "./serve/store.ts";
import { makePackager, makeSender, testJob } from "./serve/webhook-rings.ts";

/** ^C is a person who waits: no load balancer has to notice, and the sockets go within a second. */
const INTERRUPT_WINDOW_MS = 1_000;

export function serveCommand(): Command {
  const command = new Command("serve").description(
    "Run the server. With no configuration it serves one app with generated credentials.",
  );
  return addConfigFlags(command)
    .addHelpText(
      "after",
      `
Every option is also a variable and a field of the file: ringmaster config docs lists them with their defaults.

Examples:
  ringmaster serve
  ringmaster serve --config ringmaster.yaml --log-format pretty
  RINGMASTER_APP_ID=1 RINGMASTER_APP_KEY=key RINGMASTER_APP_SECRET=secret ringmaster serve

SIGTERM drains and exits with 0; a second one forces. SIGHUP reads the configuration again.`,
    )
    .action(async () => serve(configInputsFrom(command)));
}

/** The composition root: the one place that knows every part. */
async function serve(inputs: Pick<ConfigInputs, "file" | "flags">): Promise<void> {
  const load = (): Promise<LoadedConfig> => loadConfig({ ...inputs, env: process.env });
  let config: LoadedConfig;
  try {
    config = await load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`The configuration is wrong:\n\n${indent(error.message)}\n`);
    process.exitCode = 1;
    return;
  }
  const { settings } = config;
  const { roles } = settings;
  const log = createLog(settings.log);
  let opened: OpenedStore;
  try {
    opened = openStore(config, log);
  } catch (error) {
    if (!(error instanceof DatabaseFault)) throw error;
    log.fatal({ err: error }, error.message);
    process.exitCode = 1;
    return;
  }
  const { store, isLasting } = opened;
  const descriptors = descriptorLimit();
  const maxConnections = connectionsAllowed(settings.maxConnections, descriptors, log);

  const apps = new FileAppStore(config.apps);
  const ring = roles.includes("channels")
    ? new ChannelsRing(config, maxConnections, apps, store, log)
    : undefined;
  const channels = ring?.channels;
  const packager = roles.includes("packager") ? makePackager(store, apps, log) : undefined;
  const sender = roles.includes("sender") ? makeSender(store, config, log) : undefined;
  const housekeeping = new Housekeeping(store, settings, log);

  const lifecycle = new Lifecycle((part, err) => log.error({ part, err }, "a part did not close"));
  let drainWindowMs = settings.drain.windowMs;
  let drainWindowLeftMs = 0;
  let configurationOk = true;
  const metrics = new Metrics({
    version: VERSION,
    descriptors,
    maxConnections,
    tenants: () => channels?.figures() ?? [],
    state: () => lifecycle.state,
    cacheBytes: () => ring?.cacheBytes ?? 0,
    drainWindowLeftMs: () => drainWindowLeftMs,
    configurationOk: () => configurationOk,
    store: () => store.figures(),
    queue: () => store.desk.figures(),
    packager: () => packager?.figures(),
    sender: () => sender?.figures(),
  });

  let operations: OperationsServer | undefined;
  let port: number | null = null;
  let tlsPort: number | null = null;
  const endpoint = { host: settings.host, tls: undefined };
  try {
    if (settings.ops.port !== null) {
      const { host, port: opsPort, adminToken } = settings.ops;
      operations = new OperationsServer({
        host,
        port: opsPort,
        metrics,
        state: () => lifecycle.state,
        stuck: () => (lifecycle.state === "ready" ? stuckParts({ packager, sender }) : []),
        admin: new AdminApi({
          token: adminToken,
          log,
          apps,
          desk: store.desk,
          deliveries: store.deliveries,
          senderStates: sender === undefined ? undefined : () => sender.endpointStates(),
          testJob,
          now: Date.now,
        }),
      });
    }
    if (channels !== undefined) {
      const edges = await store.recorder.reap();
      if (edges > 0)
        log.info({ edges }, "the process before this one ended without saying goodbye: done now");
      if (settings.port !== null) port = channels.listen({ ...endpoint, port: settings.port });
      if (config.tls !== null && settings.tls.port !== null) {
        tlsPort = channels.listen({ ...endpoint, port: settings.tls.port, tls: config.tls });
      }
    }
  } catch (error) {
    log.fatal({ err: error }, "could not listen: is the port taken?");
    await channels?.destroy();
    await operations?.close();
    metrics.close();
    store.close();
    process.exitCode = 1;
    return;
  }
  packager?.start();
  sender?.start();
  housekeeping.start();

  const watcher = new ConfigWatcher(config, {
    load,
    changes: {
      apps(changed) {
        apps.replace(changed);
        log.info({ apps: changed.length }, "apps changed");
        warnOfMemory(changed);
      },
      tls(material) {
        if (tlsPort === null || channels === undefined) return;
        channels.renewTls({ ...endpoint, port: tlsPort, tls: material });
        log.info({ port: tlsPort }, "certificate renewed: new connections get it");
      },
      restartNeeded: (fields) =>
        log.warn({ fields }, "settings changed that take effect at the next start"),
      refused(error) {
        configurationOk = false;
        log.error(
          { problems: error.problems },
          "the configuration is wrong; the one before it stays in force",
        );
      },
      recovered() {
        configurationOk = true;
        log.info({}, "the configuration is right again");
      },
      failed: (err) => log.error({ err }, "could not look at the configuration"),
    },
  });
  watcher.start();

  // In the order of starting: stopping goes the other way, and the operations port answers to the end.
  lifecycle.add({
    name: "operations",
    async close() {
      await operations?.close();
      metrics.close();
    },
  });
  lifecycle.add({
    name: "database",
    close() {
      housekeeping.close();
      if (!store.close())
        throw new Error("The database could not be written: what waited for it is lost.");
      return Promise.resolve();
    },
  });
  if (sender !== undefined) {
    lifecycle.add({
      name: "sender",
      drain: () => sender.drain(),
      close: () => sender.close(),
    });
  }
  if (packager !== undefined) {
    lifecycle.add({
      name: "packager",
      drain: () => packager.drain(),
      close: () => packager.close(),
    });
  }
  for (const part of ring?.parts() ?? []) lifecycle.add(part);
  if (channels !== undefined) {
    lifecycle.add({
      name: "channels",
      async drain() {
        log.info({ sockets: channels.connections, windowMs: drainWindowMs }, "draining");
        await channels.drain(drainWindowMs, (progress) => {
          drainWindowLeftMs = progress.windowLeftMs;
        });
        drainWindowLeftMs = 0;
      },
      close: () => channels.close(),
    });
  }
  lifecycle.add({
    name: "configuration",
    close: () => Promise.resolve(watcher.close()),
  });

  let asked = false;
  const stop = async (signal: string, noticeMs: number, windowMs: number): Promise<void> => {
    if (asked) {
      log.warn({ signal }, "asked again: stopping at once");
      process.exit(1);
    }
    asked = true;
    drainWindowMs = windowMs;
    log.info({ signal, noticeMs, windowMs }, "stopping; a second signal forces");
    const { inTime } = await lifecycle.stop({ noticeMs, deadlineMs: settings.drain.deadlineMs });
    if (inTime) log.info({}, "stopped");
    else
      log.error(
        { sockets: channels?.connections ?? 0 },
        "the deadline came before everything was closed",
      );
    process.exit(inTime ? 0 : 1);
  };
  const { windowMs } = settings.drain;
  // Without channels nobody routes to us who would have to notice: whatever we have is handed back at once.
  const noticeMs = channels === undefined ? 0 : settings.drain.noticeMs;
  process.on("SIGTERM", () => void stop("SIGTERM", noticeMs, windowMs));
  process.on("SIGINT", () => void stop("SIGINT", 0, Math.min(windowMs, INTERRUPT_WINDOW_MS)));
  process.on("SIGHUP", () => {
    watcher
      .reload()
      .catch((err: unknown) => log.error({ err }, "could not read the configuration again"));
  });
  // A fault that nobody caught belongs to one socket or request; it must not end all the others.
  process.on("uncaughtException", (err) => log.error({ err }, "uncaught exception"));
  process.on("unhandledRejection", (err) => log.error({ err }, "unhandled rejection"));

  lifecycle.ready();
  log.info(
    {
      version: VERSION,
      port,
      tlsPort,
      opsPort: operations?.port ?? null,
      roles,
      apps: config.apps.length,
    },
    "ready",
  );

  function warnOfMemory(changed: readonly App[]): void {
    if (!isLasting && changed.some(({ webhooks }) => webhooks.length > 0))
      log.warn({}, "there is no database: what webhooks are owed is lost when this process ends");
  }
  if (settings.log.format === "pretty" && channels !== undefined) {
    const { host, pathPrefix, ops } = settings;
    process.stdout.write(
      `\n${banner({
        host,
        port,
        tlsPort,
        pathPrefix,
        operations: operations === undefined ? null : { host: ops.host, port: operations.port },
        defaultApp: config.defaultApp,
        apps: config.apps.length,
      })}\n`,
    );
  }
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
