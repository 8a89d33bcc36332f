import type { Logger } from "pino";
import { Channels } from "../../channels/channels.ts";
import type { AppStore } from "../../channels/ports/app-store.ts";
import { systemClock } from "../../channels/ports/clock.ts";
import type { ChannelsSettings } from "../../channels/settings.ts";
import type { LoadedConfig } from "../../ops/config/load.ts";
import type { DescriptorLimit } from "../../ops/file-descriptors.ts";
import type { Part } from "../../ops/lifecycle.ts";
import { MemoryBus } from "../../stores/memory/bus.ts";
import { MemoryCache } from "../../stores/memory/cache.ts";
import { MemoryRoster } from "../../stores/memory/roster.ts";
import type { SqliteStore } from "../../stores/sqlite/store.ts";

/** The channels ring of this process, and the stores that stand behind it. */
export class ChannelsRing {
  readonly channels: Channels;
  readonly #bus = new MemoryBus();
  readonly #roster: MemoryRoster;
  readonly #cache: MemoryCache;

  constructor(
    config: LoadedConfig,
    maxConnections: number,
    apps: AppStore,
    store: SqliteStore,
    log: Logger,
  ) {
    this.#roster = new MemoryRoster(this.#bus, systemClock, store.recorder);
    this.#cache = new MemoryCache(systemClock, config.settings.cache.maxBytes);
    this.channels = new Channels({
      settings: channelsSettings(config, maxConnections),
      apps,
      bus: this.#bus,
      roster: this.#roster,
      cache: this.#cache,
      events: store.recorder,
      clock: systemClock,
      log,
    });
  }

  get cacheBytes(): number {
    return this.#cache.bytes;
  }

  /** In the order of starting. */
  parts(): Part[] {
    return [
      { name: "cache", close: () => this.#cache.close() },
      { name: "roster", close: () => this.#roster.close() },
      { name: "bus", close: () => this.#bus.close() },
    ];
  }
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
