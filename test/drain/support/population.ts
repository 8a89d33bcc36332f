import assert from "node:assert/strict";
import type { Call } from "../../e2e/support/call.ts";
import { occupancyList, occupancyOf, type Occupancy } from "../../e2e/support/occupancy.ts";
import { replay } from "../../e2e/support/replay.ts";
import type { TestApp } from "../../e2e/support/apps.ts";
import { eventually } from "../../e2e/support/wait.ts";
import { DEBOUNCE_MS } from "../../e2e/support/webhook-traffic.ts";
import { Resident, type ResidentPlan } from "./resident.ts";

const THERE_WITHIN_MS = 60_000;
const SURELY_BACK_MS = DEBOUNCE_MS - 1_000;

/** All residents of one app, and what webhooks and nodes should say of them. */
export class Population {
  readonly residents: Resident[] = [];
  readonly #app: TestApp;
  readonly #port: number;

  constructor(app: TestApp, port: number) {
    this.#app = app;
    this.#port = port;
  }

  add(plans: readonly Omit<ResidentPlan, "app" | "port">[]): readonly Resident[] {
    const added = plans.map((plan) => new Resident({ app: this.#app, port: this.#port, ...plan }));
    this.residents.push(...added);
    return added;
  }

  get staying(): readonly Resident[] {
    return this.residents.filter(({ hasLeft }) => !hasLeft);
  }

  /** Resolves when all who stay are on their channels. */
  async there(): Promise<void> {
    const missing = (): number => this.staying.filter(({ isThere }) => !isThere).length;
    await eventually("all residents are there", () => missing() === 0, THERE_WITHIN_MS).catch(
      (error: unknown) => {
        throw new Error(`${missing()} of ${this.staying.length} are missing`, { cause: error });
      },
    );
  }

  /** With others who are on a channel. */
  truth(others: Occupancy = new Map()): Occupancy {
    const truth = new Map(Array.from(others, ([channel, users]) => [channel, new Set(users)]));
    for (const { channels, userId = "" } of this.staying) {
      for (const channel of channels) {
        const members = truth.get(channel) ?? new Set();
        if (channel.startsWith("presence-")) members.add(userId);
        truth.set(channel, members);
      }
    }
    return truth;
  }

  /** The node's API answers what is true. */
  async isTrueAt(port: number, truth: Occupancy): Promise<void> {
    const expected = occupancyList(truth);
    let seen: string[] = [];
    await eventually(`the node on ${port} knows who is where`, async () => {
      seen = occupancyList(await occupancyOf(this.#app, port));
      return seen.join() === expected.join();
    }).catch(() => assert.deepEqual(seen, expected));
  }

  /** What was told, replayed, is what is true. Answers the number of events. */
  isToldIn(calls: readonly Call[], truth: Occupancy): number {
    const told = replay(this.#app.id, calls);
    assert.deepEqual(told.faults.slice(0, 10), []);
    assert.deepEqual(occupancyList(told.occupancy), occupancyList(truth));
    return told.events;
  }

  /**
   * Events that nobody should have been told of: of those who were there from the beginning, stay, and were surely back
   * within three seconds each time. The server knows of an end before they do, but not by much.
   */
  flapsIn(calls: readonly Call[], fromTheBeginning: readonly Resident[]): string[] {
    const residents = fromTheBeginning.filter(({ hasLeft }) => !hasLeft);
    const steady = new Set<string>();
    for (const resident of residents)
      for (const channel of resident.channels) steady.add(placeOf(channel, resident.userId));
    for (const resident of residents)
      for (const { channel, ms } of resident.absences())
        if (ms >= SURELY_BACK_MS) steady.delete(placeOf(channel, resident.userId));
    return calls
      .flatMap(({ events }) => events)
      .filter((event) => steady.has(placeOf(event.channel, event["user_id"])))
      .map((event) => JSON.stringify(event));
  }

  /** Of all returns to a channel. */
  absences(): { readonly returns: number; readonly late: number; readonly longestMs: number } {
    const all = this.staying.flatMap((resident) => Array.from(resident.absences(), ({ ms }) => ms));
    return {
      returns: all.length,
      late: all.filter((ms) => ms >= SURELY_BACK_MS).length,
      longestMs: Math.round(all.reduce((longest, ms) => Math.max(longest, ms), 0)),
    };
  }

  async leave(): Promise<void> {
    await Promise.all(this.residents.map((resident) => resident.leave()));
  }
}

/** What an event is about: a channel, or a member of one. */
function placeOf(channel: string, userId: unknown): string {
  return channel.startsWith("presence-") && userId !== undefined
    ? `${channel} ${String(userId)}`
    : channel;
}
