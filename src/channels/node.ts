import type { App } from "../protocol/app.ts";
import type { AppStore } from "./ports/app-store.ts";
import type { Bus } from "./ports/bus.ts";
import type { Cache } from "./ports/cache.ts";
import type { Clock } from "./ports/clock.ts";
import type { EventLog } from "./ports/event-log.ts";
import type { Log } from "./ports/log.ts";
import type { Roster } from "./ports/roster.ts";
import type { ChannelsSettings } from "./settings.ts";
import { LocalChannel } from "./local-channel.ts";
import type { Session } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { Tenant } from "./tenant.ts";

export interface NodeDependencies {
  readonly settings: ChannelsSettings;
  readonly apps: AppStore;
  readonly bus: Bus;
  readonly roster: Roster;
  readonly cache: Cache;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * One channels node: the ports it uses, and what it holds.
 *
 * It only keeps; what happens to a socket or a request is told in the files beside it (`gateway`, `subscribing`, …).
 */
export class Node implements NodeDependencies {
  readonly settings: ChannelsSettings;
  readonly apps: AppStore;
  readonly bus: Bus;
  readonly roster: Roster;
  readonly cache: Cache;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly log: Log;
  /** By app id. A tenant stays when its app is removed, until its last socket has gone. */
  readonly tenants = new Map<string, Tenant>();
  readonly sessions = new Sessions();
  /** The first half of every socket id that this process gives: no two processes of a cluster share it. */
  readonly number = 1 + crypto.getRandomValues(new Uint32Array(1))[0]!;
  #lastConnectionNumber = 0;

  constructor(dependencies: NodeDependencies) {
    this.settings = dependencies.settings;
    this.apps = dependencies.apps;
    this.bus = dependencies.bus;
    this.roster = dependencies.roster;
    this.cache = dependencies.cache;
    this.events = dependencies.events;
    this.clock = dependencies.clock;
    this.log = dependencies.log;
  }

  nextConnectionNumber(): number {
    return ++this.#lastConnectionNumber;
  }

  /** The session of that socket id if it is one of ours. */
  session(socketId: string): Session | undefined {
    const dot = socketId.indexOf(".");
    if (Number(socketId.slice(0, dot)) !== this.number) return undefined;
    return this.sessions.get(Number(socketId.slice(dot + 1)));
  }

  /** The tenant of an app that the store knows. */
  tenant(app: App): Tenant {
    let tenant = this.tenants.get(app.id);
    if (tenant === undefined) {
      tenant = new Tenant(app, this.clock.elapsedMs());
      this.tenants.set(app.id, tenant);
    }
    return tenant;
  }

  /** Forgets an app that the store no longer knows, as soon as nothing is held for it here. */
  releaseTenant(tenant: Tenant): void {
    if (this.apps.byId(tenant.id) !== undefined) return;
    if (tenant.channels.size > 0 || tenant.quotaConnections > 0) return;
    if (this.sessions.ofApp(tenant.id).size === 0) this.tenants.delete(tenant.id);
  }

  /** The channel, made and attached to the Bus when it is the first interest in it here. */
  channel(tenant: Tenant, name: string): LocalChannel {
    let channel = tenant.channels.get(name);
    if (channel === undefined) {
      channel = new LocalChannel(name, `${tenant.id}/${name}`, this.bus.subscribe(tenant.id, name));
      tenant.channels.set(name, channel);
    }
    return channel;
  }

  /** Forgets the channel if nobody here is interested in it any more. */
  releaseChannel(tenant: Tenant, channel: LocalChannel): void {
    if (
      channel.subscribers > 0 ||
      channel.listeners > 0 ||
      tenant.channels.get(channel.name) !== channel
    )
      return;
    tenant.channels.delete(channel.name);
    this.bus.unsubscribe(tenant.id, channel.name);
  }
}
