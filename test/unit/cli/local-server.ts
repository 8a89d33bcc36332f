import { Channels } from "../../../src/channels/channels.ts";
import { systemClock } from "../../../src/channels/ports/clock.ts";
import { signingKey, type App } from "../../../src/protocol/app.ts";
import { FileAppStore } from "../../../src/stores/file/app-store.ts";
import { MemoryBus } from "../../../src/stores/memory/bus.ts";
import { MemoryCache } from "../../../src/stores/memory/cache.ts";
import { MemoryRoster } from "../../../src/stores/memory/roster.ts";
import { EventTape } from "../../support/event-tape.ts";
import { testApp } from "../../support/apps.ts";
import { CERTIFICATE, PRIVATE_KEY } from "../config/certificates.ts";

export interface LocalServerOptions {
  readonly app?: App;
  readonly tls?: boolean;
  readonly pathPrefix?: string;
}

/** A real server in this process, on a free port. */
export class LocalServer implements AsyncDisposable {
  readonly port: number;
  readonly app: App;
  readonly #channels: Channels;

  constructor({ app = testApp(), tls = false, pathPrefix = "" }: LocalServerOptions = {}) {
    this.app = app;
    const bus = new MemoryBus();
    this.#channels = new Channels({
      settings: {
        maxConnections: 1_000,
        pathPrefix,
        trustedHops: 0,
        websocket: {
          activityTimeoutMs: 120_000,
          pingAfterMs: 45_000,
          pongTimeoutMs: 30_000,
          inactivityTimeoutMs: 86_400_000,
          authorizationTimeoutMs: 30_000,
          maxFrameBytes: 65_536,
          sendQueueBytes: 1_048_576,
        },
        http: { maxBodyBytes: 1_048_576 },
      },
      apps: new FileAppStore([app]),
      bus,
      roster: new MemoryRoster(bus, systemClock),
      cache: new MemoryCache(systemClock, 1_000_000),
      events: new EventTape(),
      clock: systemClock,
      log: { debug: silent, info: silent, warn: silent, error: silent },
    });
    this.port = this.#channels.listen({
      host: "127.0.0.1",
      port: 0,
      tls: tls ? { cert: CERTIFICATE, key: PRIVATE_KEY, ca: undefined } : undefined,
    });
  }

  /** The environment of whoever knows the app. */
  get env(): Record<string, string> {
    const key = signingKey(this.app)!;
    return {
      RINGMASTER_PORT: String(this.port),
      RINGMASTER_APP_ID: this.app.id,
      RINGMASTER_APP_KEY: key.key,
      RINGMASTER_APP_SECRET: key.secret,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channels.destroy();
  }
}

function silent(): void {}
