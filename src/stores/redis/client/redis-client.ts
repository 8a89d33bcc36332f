import type { Clock } from "../../../channels/ports/clock.ts";
import type { Log } from "../../../channels/ports/log.ts";
import {
  RedisFault,
  type RedisConnection,
  type RedisFaultKind,
  type RedisSubscriber,
  type Reply,
  type SubscriptionListener,
} from "../connection.ts";
import { faultOf, isElsewhere, isScriptUnknown, movedTo } from "./fault.ts";
import { OutageLog } from "./outage-log.ts";
import type { Script } from "../script.ts";
import { Servers } from "./servers.ts";
import { ShardedSubscriber } from "./sharded-subscriber.ts";
import { accessOf, type Access, type RedisSettings } from "../settings.ts";
import { SlotTable } from "./slot.ts";
import type { ServerLine } from "./server-line.ts";

const MAX_HOPS = 5;
/** Behind a hash tag: what no key of ours is called. */
const NOBODYS = ":nobody";

export interface RedisClientOptions {
  readonly settings: RedisSettings;
  readonly clock: Clock;
  readonly log: Log;
  random(): number;
}

export interface RedisFigures {
  readonly isWell: boolean;
  /** Connections that were lost, and those that were made again; those for subscriptions included. */
  readonly lost: number;
  readonly reconnects: number;
  /** Calls that were not answered, by why. */
  readonly faults: ReadonlyMap<RedisFaultKind, number>;
}

/**
 * The real `RedisConnection`. All keys are under few hash tags, so what there is to know of the servers is which one has a
 * slot.
 *
 *   new ──open──▶ opening ──(all servers known and connected)──▶ well ⇄ troubled      (close, from anywhere) ──▶ closed
 *
 * While it is troubled it looks for the servers and connects to them again and again; calls to those that it has are
 * served.
 *
 * In a Cluster each script declares one key more, which nobody has. For while a slot moves, half of its keys are at either
 * place, and a script would stop in its middle at the first that is not here, or there take what is not there yet for
 * nothing. Of a script that declares several keys, of which some are missing, such a server wants to know nothing: it is
 * "not-ready" until the slot has moved.
 */
export class RedisClient implements RedisConnection {
  readonly #options: RedisClientOptions;
  readonly #access: Access;
  readonly #slots = new SlotTable();
  readonly #servers: Servers;
  readonly #outageLog: OutageLog;
  readonly #subscribers = new Set<ShardedSubscriber>();
  readonly #faults = new Map<RedisFaultKind, number>();
  #lost = 0;
  #reconnects = 0;
  #opening: PromiseWithResolvers<void> | undefined;
  #isClosed = false;

  constructor(options: RedisClientOptions) {
    const { settings, clock, log, random } = options;
    this.#options = options;
    this.#access = accessOf(settings);
    this.#outageLog = new OutageLog("commands", log, clock);
    this.#servers = new Servers({
      settings,
      clock,
      log,
      random,
      onMap: () => {
        for (const subscriber of this.#subscribers) subscriber.arrange();
      },
      onChange: (fault) => this.#changed(fault),
      onLost: () => this.#lost++,
      onReconnected: () => this.#reconnects++,
    });
  }

  get isWell(): boolean {
    return this.#servers.isWell;
  }

  /**
   * Resolves when all servers are connected, however long that takes. Rejects with `RedisFault`: "denied" when they do not
   * let us in, "refused" when they are not what they should be, or too old; then it is closed.
   */
  async open(): Promise<void> {
    this.#opening = Promise.withResolvers();
    this.#servers.look();
    try {
      await this.#opening.promise;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    const [first = ""] = keys;
    const tagged = first.slice(0, first.indexOf("}") + 1);
    const command =
      this.#access.isCluster && tagged !== ""
        ? ["EVALSHA", script.hash, `${keys.length + 1}`, ...keys, tagged + NOBODYS, ...args]
        : ["EVALSHA", script.hash, `${keys.length}`, ...keys, ...args];
    return this.#call(first, command, script);
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#call(channel, ["SPUBLISH", channel, message]);
  }

  subscriber(listener: SubscriptionListener): RedisSubscriber {
    const { clock, log, random } = this.#options;
    const subscriber: ShardedSubscriber = new ShardedSubscriber({
      access: this.#access,
      clock,
      log,
      random,
      listener,
      slots: this.#slots,
      addressOf: (slot) => this.#servers.addressOf(slot),
      onLost: () => this.#lost++,
      onReconnected: () => this.#reconnects++,
      onTrouble: () => this.#servers.lookAgain(),
      onClose: () => this.#subscribers.delete(subscriber),
    });
    if (this.#isClosed) void subscriber.close();
    else this.#subscribers.add(subscriber);
    return subscriber;
  }

  /** What the first of the servers answers: for looking at them. */
  async ask(command: readonly string[]): Promise<Reply> {
    const line = this.#servers.any();
    if (line === undefined) throw new RedisFault("unreachable", "There is no connection yet.");
    return line.send(command);
  }

  figures(): RedisFigures {
    return {
      isWell: this.isWell,
      lost: this.#lost,
      reconnects: this.#reconnects,
      faults: this.#faults,
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#opening?.reject(new RedisFault("unreachable", "The connection to the store is closed."));
    for (const subscriber of this.#subscribers) await subscriber.close();
    this.#servers.close();
  }

  /**
   * Whatever is called in one turn, and is in one slot, leaves in this order: nothing waits before it is sent. No promise
   * more than needed either: this is where all the calls of a node pass.
   */
  #call(key: string, command: readonly string[], script?: Script): Promise<Reply> {
    try {
      const line = this.#servers.lineOf(this.#slots.of(key));
      return line.send(command, script, (fault, waitedMs) => {
        if (!isElsewhere(fault) && !isScriptUnknown(fault)) return this.#failed(fault);
        const leftMs = Math.max(this.#access.commandTimeoutMs - waitedMs, 0);
        return this.#inTime(this.#again(line, command, script, fault), leftMs);
      });
    } catch (error) {
      return this.#failed(faultOf(error));
    }
  }

  /** What the server itself says is to be done about it: the script has to be taught, or the slot is elsewhere. */
  async #again(
    line: ServerLine,
    command: readonly string[],
    script: Script | undefined,
    first: RedisFault,
  ): Promise<Reply> {
    let fault = first;
    for (let hops = 0; hops < MAX_HOPS; hops++) {
      if (isElsewhere(fault)) this.#servers.leave(line);
      const address = movedTo(fault, line.address);
      if (address !== undefined) {
        line = this.#servers.lineTo(address);
        await line.attempted();
      } else if (isScriptUnknown(fault) && script !== undefined) line.forget(script);
      else break;
      try {
        return await line.send(command, script);
      } catch (error) {
        fault = faultOf(error);
      }
    }
    throw fault;
  }

  async #inTime(call: Promise<Reply>, leftMs: number): Promise<Reply> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const cancel = this.#options.clock.after(leftMs, () =>
      reject(new RedisFault("timeout", `No answer in ${this.#access.commandTimeoutMs} ms.`)),
    );
    try {
      return await Promise.race([call, late]);
    } catch (error) {
      return await this.#failed(faultOf(error));
    } finally {
      cancel();
    }
  }

  #failed(fault: RedisFault): Promise<never> {
    this.#faults.set(fault.kind, (this.#faults.get(fault.kind) ?? 0) + 1);
    return Promise.reject(fault);
  }

  #changed(fault: RedisFault | undefined): void {
    if (this.isWell) {
      this.#outageLog.well(this.#servers.names);
      this.#opening?.resolve();
    } else {
      this.#outageLog.troubled(fault);
      if (fault?.kind === "denied" || fault?.kind === "refused") this.#opening?.reject(fault);
    }
  }
}
