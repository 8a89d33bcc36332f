import type { Logger } from "pino";
import { systemClock } from "../../channels/ports/clock.ts";
import type { LoadedConfig } from "../../ops/config/load.ts";
import { cpuAllowance } from "../../ops/cpu-allowance.ts";
import { VERSION } from "../../ops/version.ts";
import { buildJob } from "../../packager/job-builder.ts";
import { Packager } from "../../packager/packager.ts";
import type { AppDirectory } from "../../packager/ports/app-directory.ts";
import { signingKey, type App } from "../../protocol/app.ts";
import type { Job } from "../../protocol/job.ts";
import type { WebhookEvent } from "../../protocol/webhook-event.ts";
import type { Webhook } from "../../protocol/webhook.ts";
import { AddressGuard } from "../../sender/address-guard.ts";
import { HttpTransport } from "../../sender/http-transport.ts";
import { Resolver } from "../../sender/resolver.ts";
import { Reporter } from "../../sender/reporter.ts";
import { Sender } from "../../sender/sender.ts";
import { systemLookup } from "../../sender/system-lookup.ts";
import type { ProcessStore } from "./process-store.ts";
import { senderStopTimeoutMs } from "./stop-plan.ts";

export function makePackager(store: ProcessStore, apps: AppDirectory, log: Logger): Packager {
  return new Packager({ events: store.events, apps, clock: systemClock, log });
}

export function makeSender(
  store: ProcessStore,
  { settings, senderTls }: LoadedConfig,
  log: Logger,
): Sender {
  const transport = new HttpTransport({
    clock: systemClock,
    resolver: new Resolver(systemLookup, systemClock),
    guard: new AddressGuard(settings.sender.allowedNetworks),
    version: VERSION,
    tls: senderTls,
  });
  return new Sender({
    settings: { ...settings.sender, stopTimeoutMs: senderStopTimeoutMs(settings) },
    queue: store.queue,
    log: store.deliveries,
    transport,
    clock: systemClock,
    logger: log,
    random: Math.random,
    senderVersion: VERSION,
  });
}

export function makeReporter(
  store: ProcessStore,
  { settings }: LoadedConfig,
  sender: Sender,
): Reporter {
  return new Reporter({
    sender,
    fleet: store.fleet,
    clock: systemClock,
    senderId: crypto.randomUUID(),
    version: VERSION,
    slots: settings.sender.slots,
    cpuAllowance: cpuAllowance(),
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1_000;
    },
  });
}

/** A webhook that nothing happened for, so that its receiver can be tried. It is sent once. */
export function testJob(app: App, webhook: Webhook): Job {
  const key = signingKey(app);
  if (key === undefined) throw new Error(`The app ${app.id} has no key that could sign.`);
  const channel = `${webhook.channelPrefix ?? ""}ringmaster-test${webhook.channelSuffix ?? ""}`;
  const event: WebhookEvent = { name: "channel_occupied", channel };
  const logged = {
    id: `test-${crypto.randomUUID()}`,
    sequence: 0,
    atMs: systemClock.now(),
    appId: app.id,
    channel,
    name: event.name,
    userId: undefined,
    json: JSON.stringify(event),
    handledFor: [],
  };
  const job = buildJob(app.id, key, webhook, [logged], systemClock.now());
  return { ...job, retryWindowMs: 0 };
}
