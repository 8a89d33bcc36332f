import type { Logger } from "pino";
import { Channels } from "../../channels/channels.ts";
import type { AppStore } from "../../channels/ports/app-store.ts";
import { systemClock } from "../../channels/ports/clock.ts";
import type { ChannelsSettings } from "../../channels/settings.ts";
import type { LoadedConfig } from "../../ops/config/load.ts";
import type { DescriptorLimit } from "../../ops/file-descriptors.ts";
import type { ChannelsStore } from "./process-store.ts";

export function makeChannels(
  config: LoadedConfig,
  maxConnections: number,
  apps: AppStore,
  store: ChannelsStore,
  log: Logger,
): Channels {
  const settings = channelsSettings(config, maxConnections);
  return new Channels({ ...store, settings, apps, clock: systemClock, log });
}

export function connectionsAllowed(
  wanted: number | null,
  { limit, sockets, isLow }: DescriptorLimit,
  log: Logger,
): number {
  const allowed = Math.min(wanted ?? sockets, sockets);
  if (wanted !== null && wanted > sockets) {
    log.warn(
      { maxConnections: wanted, openFiles: limit, allowed },
      "the limit of open files allows fewer sockets",
    );
  } else if (wanted === null && isLow) {
    log.warn(
      { openFiles: limit, allowed },
      "the limit of open files is low: raise it with ulimit -n or LimitNOFILE",
    );
  }
  return allowed;
}

function channelsSettings({ settings }: LoadedConfig, maxConnections: number): ChannelsSettings {
  const { pathPrefix, proxy, websocket, http } = settings;
  return { maxConnections, pathPrefix, trustedHops: proxy.trustedHops, websocket, http };
}
