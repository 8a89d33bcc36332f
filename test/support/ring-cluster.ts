import type { Bus, BusMessage, BusReceiver, MissedListener } from "../../src/channels/ports/bus.ts";
import type {
  ChannelHolding,
  ChannelState,
  ChannelSummary,
  HoldingOutcome,
  Roster,
} from "../../src/channels/ports/roster.ts";
import type { App } from "../../src/protocol/app.ts";
import { MemoryBus } from "../../src/stores/memory/bus.ts";
import { MemoryRoster } from "../../src/stores/memory/roster.ts";
import { testApp } from "./apps.ts";
import { FakeClock } from "./fake-clock.ts";
import { Ring, settled } from "./ring.ts";

/**
 * Several nodes on one store that is elsewhere: what it answers and what it publishes waits on its way to each node until
 * the test lets it arrive, the one independent of the other.
 */
export class RingCluster {
  readonly clock = new FakeClock();
  readonly rings: readonly Ring[];
  readonly lines: readonly Line[];
  readonly store: Store;

  constructor(nodes: number, app: App = testApp()) {
    const buses = MemoryBus.cluster(nodes + 1);
    this.store = new Store(new MemoryRoster(buses[nodes]!, this.clock));
    this.lines = Array.from({ length: nodes }, (_, node) => new Line(buses[node]!));
    this.rings = this.lines.map(
      (line) =>
        new Ring({
          apps: [app],
          clock: this.clock,
          bus: () => line,
          roster: () => new RosterElsewhere(this.store, line),
        }),
    );
  }

  /** Everything arrives. Lines that are cut stay cut. */
  async arrive(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      for (const line of this.lines) if (line.arriveAll()) quiet = 0;
      await settled();
    }
  }

  /** Everything arrives, and whatever waits for a time is done. */
  async rest(): Promise<void> {
    await this.arrive();
    while (this.rings.some(({ healing }) => healing.ill > 0)) {
      this.clock.advance(1_000);
      await this.arrive();
    }
  }
}

/** The way from the store to one node. */
export class Line implements Bus {
  readonly #inner: Bus;
  readonly #subscribed = new Set<string>();
  #messages: BusMessage[] = [];
  #answers: (() => void)[] = [];
  #receiver: BusReceiver | undefined;
  #onMissed: MissedListener | undefined;
  #isCut = false;
  /** Whether the store refuses to be asked. */
  isStoreAway = false;

  constructor(inner: Bus) {
    this.#inner = inner;
    inner.receive((message) => {
      if (!this.#isCut) this.#messages.push(message);
    });
  }

  receive(receiver: BusReceiver): void {
    this.#receiver = receiver;
  }

  onMissed(listener: MissedListener): void {
    this.#onMissed = listener;
  }

  subscribe(appId: string, channel: string): Promise<void> {
    this.#subscribed.add(`${appId}/${channel}`);
    return this.#inner.subscribe(appId, channel);
  }

  unsubscribe(appId: string, channel: string): void {
    this.#subscribed.delete(`${appId}/${channel}`);
    this.#inner.unsubscribe(appId, channel);
    this.#messages = this.#messages.filter(
      (message) => message.appId !== appId || message.channel !== channel,
    );
  }

  publish(messages: readonly BusMessage[]): Promise<void> {
    return this.#inner.publish(messages);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  answer<T>(outcome: T): Promise<T> {
    return new Promise((resolve) => this.#answers.push(() => resolve(outcome)));
  }

  /** The next message arrives. Answers whether there was one. */
  arriveMessage(): boolean {
    const message = this.#messages.shift();
    if (message !== undefined) this.#receiver?.(message);
    return message !== undefined;
  }

  /** One of the answers that are on their way arrives, whichever. */
  arriveAnswer(place = 0): boolean {
    const [arrive] = this.#answers.splice(place % Math.max(1, this.#answers.length), 1);
    arrive?.();
    return arrive !== undefined;
  }

  arriveAll(): boolean {
    let isAny = false;
    while (this.arriveMessage() || this.arriveAnswer()) isAny = true;
    return isAny;
  }

  /** Messages on their way are lost, and so is what is published from now on. */
  cut(): void {
    this.#isCut = true;
    this.#messages = [];
  }

  mend(): void {
    if (!this.#isCut) return;
    this.#isCut = false;
    for (const place of this.#subscribed) {
      const slash = place.indexOf("/");
      this.#onMissed?.(place.slice(0, slash), place.slice(slash + 1));
    }
  }
}

/** What each node said, and the sum of it in a Roster for one. */
export class Store {
  readonly roster: MemoryRoster;
  readonly #said = new Map<string, Map<Line, number>>();

  constructor(roster: MemoryRoster) {
    this.roster = roster;
  }

  async hold(line: Line, holding: ChannelHolding): Promise<HoldingOutcome> {
    const place = `channel ${holding.appId}/${holding.channel}`;
    const memberPlace = `${place} ${holding.member?.member.userId}`;
    const before = this.#numberOf(place, line);
    const subscribers = this.#sum(place, line, holding.subscribers);
    const { member } = holding;
    if (member === undefined) return this.roster.hold({ ...holding, subscribers });
    const membersBefore = this.#numberOf(memberPlace, line);
    const connections = this.#sum(memberPlace, line, member.connections);
    const outcome = await this.roster.hold({
      ...holding,
      subscribers,
      member: { ...member, connections },
    });
    if (outcome.accepted) return outcome;
    this.#sum(place, line, before);
    this.#sum(memberPlace, line, membersBefore);
    return outcome;
  }

  holdUser(line: Line, appId: string, userId: string, connections: number): Promise<void> {
    return this.roster.holdUser(
      appId,
      userId,
      this.#sum(`user ${appId}/${userId}`, line, connections),
    );
  }

  holdConnections(line: Line, appId: string, connections: number): Promise<number> {
    return this.roster.holdConnections(appId, this.#sum(`connections ${appId}`, line, connections));
  }

  #numberOf(place: string, line: Line): number {
    return this.#said.get(place)?.get(line) ?? 0;
  }

  #sum(place: string, line: Line, number: number): number {
    let said = this.#said.get(place);
    if (said === undefined) this.#said.set(place, (said = new Map()));
    said.set(line, number);
    return said.values().reduce((sum, each) => sum + each, 0);
  }
}

class RosterElsewhere implements Roster {
  readonly #store: Store;
  readonly #line: Line;

  constructor(store: Store, line: Line) {
    this.#store = store;
    this.#line = line;
  }

  async hold(holding: ChannelHolding): Promise<HoldingOutcome> {
    return this.#line.answer(await this.#store.hold(this.#line, holding));
  }

  async holdUser(appId: string, userId: string, connections: number): Promise<void> {
    return this.#line.answer(await this.#store.holdUser(this.#line, appId, userId, connections));
  }

  async holdConnections(appId: string, connections: number): Promise<number> {
    return this.#line.answer(await this.#store.holdConnections(this.#line, appId, connections));
  }

  async channel(appId: string, channel: string): Promise<ChannelState> {
    this.#refuseIfAway();
    return this.#line.answer(await this.#store.roster.channel(appId, channel));
  }

  async channels(appId: string, prefix: string): Promise<ChannelSummary[]> {
    return this.#line.answer(await this.#store.roster.channels(appId, prefix));
  }

  async online(appId: string, userIds: readonly string[]): Promise<string[]> {
    this.#refuseIfAway();
    return this.#line.answer(await this.#store.roster.online(appId, userIds));
  }

  async close(): Promise<void> {}

  #refuseIfAway(): void {
    if (this.#line.isStoreAway) throw new Error("The store is away.");
  }
}
