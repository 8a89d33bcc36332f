import type { Bus, BusMessage, BusReceiver, MissedListener } from "../../src/channels/ports/bus.ts";
import type { Cache, CacheEntry, CachedEvent } from "../../src/channels/ports/cache.ts";
import type {
  ChannelHolding,
  ChannelState,
  ChannelSummary,
  HoldingOutcome,
  Roster,
} from "../../src/channels/ports/roster.ts";

/** Where calls wait, one behind the other, until a test lets them pass. */
export class Gate {
  #isOpen = true;
  readonly #waiting: (() => void)[] = [];

  get waiting(): number {
    return this.#waiting.length;
  }

  shut(): void {
    this.#isOpen = false;
  }

  open(): void {
    this.#isOpen = true;
    for (const pass of this.#waiting.splice(0)) pass();
  }

  /** Lets the first of the waiting pass, or the one at that place. */
  letPass(place = 0): void {
    const [pass] = this.#waiting.splice(place, 1);
    if (pass === undefined) throw new Error("Nobody waits at the gate.");
    pass();
  }

  pass(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** A store that has its troubles: each call may be made to fail, and its answer to be late. */
class Troubles<Method extends string> {
  readonly gates = new Map<Method, Gate>();
  readonly callGates = new Map<Method, Gate>();
  readonly #failing = new Set<Method>();

  gate(method: Method): Gate {
    let gate = this.gates.get(method);
    if (gate === undefined) this.gates.set(method, (gate = new Gate()));
    return gate;
  }

  callGate(method: Method): Gate {
    let gate = this.callGates.get(method);
    if (gate === undefined) this.callGates.set(method, (gate = new Gate()));
    return gate;
  }

  fail(...methods: Method[]): void {
    for (const method of methods) this.#failing.add(method);
  }

  mend(): void {
    this.#failing.clear();
  }

  /** The call takes effect when its gate lets it, in the order of the calls; then the answer waits for its own. */
  async answer<T>(method: Method, call: () => Promise<T>): Promise<T> {
    if (this.#failing.has(method)) {
      await this.gates.get(method)?.pass();
      throw new Error(`The store failed in ${method}.`);
    }
    const callGate = this.callGates.get(method);
    if (callGate !== undefined) await callGate.pass();
    const outcome = call();
    await this.gates.get(method)?.pass();
    return outcome;
  }
}

type RosterMethod = Exclude<keyof Roster, "close">;

/** A Roster elsewhere: slow to answer, or failing. */
export class TroubledRoster implements Roster {
  readonly inner: Roster;
  readonly holdings: ChannelHolding[] = [];
  readonly #troubles = new Troubles<RosterMethod>();

  constructor(inner: Roster) {
    this.inner = inner;
  }

  /** Where the answers wait. */
  gate(method: RosterMethod): Gate {
    return this.#troubles.gate(method);
  }

  /** Where the calls wait before they take effect. */
  callGate(method: RosterMethod): Gate {
    return this.#troubles.callGate(method);
  }

  fail(...methods: RosterMethod[]): void {
    this.#troubles.fail(...methods);
  }

  mend(): void {
    this.#troubles.mend();
  }

  hold(holding: ChannelHolding): Promise<HoldingOutcome> {
    this.holdings.push(holding);
    return this.#troubles.answer("hold", () => this.inner.hold(holding));
  }

  holdUser(appId: string, userId: string, connections: number): Promise<void> {
    return this.#troubles.answer("holdUser", () => this.inner.holdUser(appId, userId, connections));
  }

  holdConnections(appId: string, connections: number): Promise<number> {
    return this.#troubles.answer("holdConnections", () =>
      this.inner.holdConnections(appId, connections),
    );
  }

  channel(appId: string, channel: string): Promise<ChannelState> {
    return this.#troubles.answer("channel", () => this.inner.channel(appId, channel));
  }

  channels(appId: string, prefix: string): Promise<ChannelSummary[]> {
    return this.#troubles.answer("channels", () => this.inner.channels(appId, prefix));
  }

  online(appId: string, userIds: readonly string[]): Promise<string[]> {
    return this.#troubles.answer("online", () => this.inner.online(appId, userIds));
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** A Bus elsewhere. It also remembers what this node listens to. */
export class TroubledBus implements Bus {
  readonly inner: Bus;
  readonly subscribed = new Set<string>();
  readonly #troubles = new Troubles<"subscribe" | "publish">();

  constructor(inner: Bus) {
    this.inner = inner;
  }

  gate(method: "subscribe" | "publish"): Gate {
    return this.#troubles.gate(method);
  }

  fail(...methods: ("subscribe" | "publish")[]): void {
    this.#troubles.fail(...methods);
  }

  mend(): void {
    this.#troubles.mend();
  }

  receive(receiver: BusReceiver): void {
    this.inner.receive(receiver);
  }

  onMissed(listener: MissedListener): void {
    this.inner.onMissed(listener);
  }

  subscribe(appId: string, channel: string): Promise<void> {
    this.subscribed.add(`${appId}/${channel}`);
    return this.#troubles.answer("subscribe", () => this.inner.subscribe(appId, channel));
  }

  unsubscribe(appId: string, channel: string): void {
    this.subscribed.delete(`${appId}/${channel}`);
    this.inner.unsubscribe(appId, channel);
  }

  publish(messages: readonly BusMessage[]): Promise<void> {
    return this.#troubles.answer("publish", () => this.inner.publish(messages));
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** A Cache elsewhere. */
export class TroubledCache implements Cache {
  readonly inner: Cache;
  readonly #troubles = new Troubles<"set" | "get">();

  constructor(inner: Cache) {
    this.inner = inner;
  }

  gate(method: "set" | "get"): Gate {
    return this.#troubles.gate(method);
  }

  fail(...methods: ("set" | "get")[]): void {
    this.#troubles.fail(...methods);
  }

  set(appId: string, channel: string, event: CachedEvent, ttlMs: number): Promise<void> {
    return this.#troubles.answer("set", () => this.inner.set(appId, channel, event, ttlMs));
  }

  get(appId: string, channel: string): Promise<CacheEntry | undefined> {
    return this.#troubles.answer("get", () => this.inner.get(appId, channel));
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
