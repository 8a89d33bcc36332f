import type { Clock } from "../../channels/ports/clock.ts";
import type { Log } from "../../channels/ports/log.ts";
import { backOffMs } from "./back-off.ts";
import {
  RedisFault,
  type RedisConnection,
  type RedisFaultKind,
  type RedisSubscriber,
  type Reply,
  type SubscriptionListener,
} from "./connection.ts";
import { faultOf, isElsewhere, isScriptUnknown, redirectionOf } from "./fault.ts";
import type { Script } from "./script.ts";
import { ServerLine } from "./server-line.ts";
import {
  accessOf,
  addressText,
  type Access,
  type RedisAddress,
  type RedisSettings,
} from "./settings.ts";
import { SlotTable } from "./slot.ts";
import type { SlotMap } from "./slot-map.ts";
import { ShardedSubscriber } from "./sharded-subscriber.ts";
import { topologyOf, type Topology } from "./topology.ts";

const SURVEY_BACK_OFF = { firstMs: 100, mostMs: 2_000 };
/** Changes are noticed by their effects; this finds those that had none yet. */
const SURVEY_INTERVAL_MS = 30_000;
const MAX_REDIRECTIONS = 5;
const OLDEST_VERSION = 7;

export interface RedisClientOptions {
  readonly settings: RedisSettings;
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
}

export interface RedisFigures {
  readonly isWell: boolean;
  /** Connections that were lost, those for subscriptions included. */
  readonly lost: number;
  /** Calls that were not answered, by why. */
  readonly faults: ReadonlyMap<RedisFaultKind, number>;
}

/**
 * The real `RedisConnection`. All keys are under few hash tags, so what there is to know of the servers is which one has a
 * slot.
 *
 *   new ──open──▶ opening ──(surveyed, all connected)──▶ well ⇄ troubled        (close, from anywhere) ──▶ closed
 *
 * While it is troubled it surveys the servers and connects to them again and again; calls to those that it has are served.
 */
export class RedisClient implements RedisConnection {
  readonly #options: RedisClientOptions;
  readonly #access: Access;
  readonly #topology: Topology;
  readonly #slots = new SlotTable();
  readonly #lines = new Map<string, ServerLine>();
  readonly #subscribers = new Set<ShardedSubscriber>();
  readonly #faults = new Map<RedisFaultKind, number>();
  #map: SlotMap | undefined;
  /** By slot, for as long as the map holds. */
  #lineOfSlot = new Map<number, ServerLine>();
  #surveying: Promise<void> | undefined;
  #mustSurveyAgain = false;
  #cancelSurvey: (() => void) | undefined;
  #lost = 0;
  #wasWell = false;
  #onChange: ((fault: RedisFault | undefined) => void) | undefined;
  #isClosed = false;

  constructor(options: RedisClientOptions) {
    this.#options = options;
    this.#access = accessOf(options.settings);
    this.#topology = topologyOf(options.settings, options.clock);
  }

  get isWell(): boolean {
    return this.#map !== undefined && this.#map.addresses.every((address) => this.#isOpen(address));
  }

  /**
   * Resolves when all servers are connected, however long that takes. Rejects with `RedisFault`, "denied" when they do not
   * let us in, "refused" when they are not what they should be, or too old; then it is closed.
   */
  async open(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onChange = (fault) => {
          if (fault?.kind === "denied" || fault?.kind === "refused") reject(fault);
          else if (this.isWell) resolve();
        };
        this.#survey();
      });
      await this.#checkVersion();
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      this.#onChange = undefined;
    }
    if (!this.#topology.isFixed) this.#surveyLater();
  }

  async run(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    const rest = [`${keys.length}`, ...keys, ...args];
    const slot = this.#slots.of(keys[0] ?? "");
    try {
      return await this.#send(slot, ["EVALSHA", script.hash, ...rest]);
    } catch (error) {
      if (!isScriptUnknown(error)) throw this.#noted(error);
    }
    try {
      return await this.#send(slot, ["EVAL", script.source, ...rest]);
    } catch (error) {
      throw this.#noted(error);
    }
  }

  async publish(channel: string, message: string): Promise<void> {
    try {
      await this.#send(this.#slots.of(channel), ["SPUBLISH", channel, message]);
    } catch (error) {
      throw this.#noted(error);
    }
  }

  subscriber(listener: SubscriptionListener): RedisSubscriber {
    const { clock, random } = this.#options;
    const subscriber: ShardedSubscriber = new ShardedSubscriber({
      access: this.#access,
      clock,
      random,
      listener,
      addressOf: (channel) => this.#map?.addressOf(this.#slots.of(channel)),
      onTrouble: () => {
        this.#lost++;
        if (!this.#topology.isFixed) this.#survey();
      },
      onClose: () => this.#subscribers.delete(subscriber),
    });
    this.#subscribers.add(subscriber);
    return subscriber;
  }

  /** What the first of the servers answers: for looking at them. */
  async ask(command: readonly string[]): Promise<Reply> {
    const [address] = this.#map?.addresses ?? [];
    const line = address === undefined ? undefined : this.#lines.get(addressText(address));
    if (line === undefined) throw new RedisFault("unreachable", "there is no connection yet");
    try {
      return await line.send(command);
    } catch (error) {
      throw faultOf(error);
    }
  }

  figures(): RedisFigures {
    return { isWell: this.isWell, lost: this.#lost, faults: this.#faults };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelSurvey?.();
    for (const subscriber of this.#subscribers) await subscriber.close();
    for (const line of this.#lines.values()) line.close();
    this.#lines.clear();
    this.#lineOfSlot.clear();
    this.#map = undefined;
    await this.#surveying;
  }

  async #send(slot: number, command: readonly string[]): Promise<Reply> {
    let line = this.#lineOf(slot);
    let isAsking = false;
    for (let hops = 0; ; hops++) {
      try {
        return await line.send(command, isAsking);
      } catch (error) {
        if (isElsewhere(error)) this.#turnedAway(line);
        const redirection = redirectionOf(error);
        if (redirection === undefined || hops === MAX_REDIRECTIONS) throw error;
        if (!redirection.isForOnce) this.#survey();
        const host = redirection.host === "" ? line.address.host : redirection.host;
        line = this.#lineTo({ host, port: redirection.port });
        isAsking = redirection.isForOnce;
        await line.attempted();
      }
    }
  }

  /** A replica, or a node that is cut off from its Cluster, answers: who has its place now? */
  #turnedAway(line: ServerLine): void {
    // Behind a name there may be another server by now.
    if (this.#topology.isFixed) line.cut();
    else this.#survey();
  }

  #lineOf(slot: number): ServerLine {
    let line = this.#lineOfSlot.get(slot);
    if (line !== undefined) return line;
    const address = this.#map?.addressOf(slot);
    if (address === undefined) {
      const [kind, message] =
        this.#map === undefined
          ? (["unreachable", "there is no connection to the store"] as const)
          : (["not-ready", `no server of the Cluster has the slot ${slot}`] as const);
      this.#survey();
      throw new RedisFault(kind, message);
    }
    line = this.#lineTo(address);
    this.#lineOfSlot.set(slot, line);
    return line;
  }

  #lineTo(address: RedisAddress): ServerLine {
    const text = addressText(address);
    let line = this.#lines.get(text);
    if (line === undefined) {
      const { clock, random } = this.#options;
      const access = this.#access;
      const onChange = this.#lineChanged.bind(this);
      line = new ServerLine({ address, access, clock, random, onChange });
      this.#lines.set(text, line);
    }
    return line;
  }

  #lineChanged(line: ServerLine, fault: RedisFault | undefined): void {
    if (this.#isClosed) return;
    if (!line.isOpen) {
      if (fault === undefined) this.#lost++;
      if (!this.#topology.isFixed) this.#survey();
    }
    this.#changed(fault);
  }

  #changed(fault: RedisFault | undefined): void {
    const { log } = this.#options;
    const { isWell } = this;
    this.#onChange?.(fault);
    if (isWell === this.#wasWell) {
      if (!isWell && this.#onChange !== undefined && fault !== undefined)
        log.debug({ err: fault }, "could not connect to Redis");
      return;
    }
    this.#wasWell = isWell;
    if (isWell) log.info({ servers: this.#map?.addresses.map(addressText) }, "connected to Redis");
    else log.error({ err: fault }, "lost the connection to Redis: rebuilding it");
  }

  /** Does so soon; again and again until it succeeds. Whoever asks meanwhile has it done once more. */
  #survey(): void {
    this.#mustSurveyAgain = true;
    this.#surveying ??= this.#surveyUntilKnown().finally(() => {
      this.#surveying = undefined;
    });
  }

  async #surveyUntilKnown(): Promise<void> {
    for (let failures = 0; this.#mustSurveyAgain && !this.#isClosed;) {
      this.#mustSurveyAgain = false;
      try {
        this.#adopt(await this.#topology.survey(this.#map?.addresses ?? []));
        failures = 0;
      } catch (error) {
        this.#mustSurveyAgain = true;
        this.#changed(faultOf(error));
      }
      // Also after a success: trouble comes in swarms.
      if (this.#mustSurveyAgain && !this.#isClosed) await this.#pause(failures++);
    }
  }

  #adopt(map: SlotMap): void {
    if (this.#isClosed) return;
    this.#map = map;
    this.#lineOfSlot = new Map();
    const wanted = new Set(map.addresses.map(addressText));
    for (const [text, line] of this.#lines) {
      if (wanted.has(text)) continue;
      this.#lines.delete(text);
      line.close();
    }
    for (const address of map.addresses) this.#lineTo(address);
    for (const subscriber of this.#subscribers) subscriber.arrange();
    this.#changed(undefined);
  }

  #surveyLater(): void {
    this.#cancelSurvey = this.#options.clock.after(SURVEY_INTERVAL_MS, () => {
      this.#survey();
      this.#surveyLater();
    });
  }

  #pause(failures: number): Promise<void> {
    const { clock, random } = this.#options;
    return new Promise((resolve) => {
      clock.after(backOffMs(failures, SURVEY_BACK_OFF, random), resolve);
    });
  }

  #isOpen(address: RedisAddress): boolean {
    return this.#lines.get(addressText(address))?.isOpen === true;
  }

  async #checkVersion(): Promise<void> {
    const info = String(await this.ask(["INFO", "server"]));
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? "";
    if (Number.parseInt(version, 10) >= OLDEST_VERSION) return;
    throw new RedisFault(
      "refused",
      `This server is Redis ${version}. Ringmaster needs Redis ${OLDEST_VERSION} or later, or Valkey.`,
    );
  }

  #noted(error: unknown): RedisFault {
    const fault = faultOf(error);
    this.#faults.set(fault.kind, (this.#faults.get(fault.kind) ?? 0) + 1);
    return fault;
  }
}
