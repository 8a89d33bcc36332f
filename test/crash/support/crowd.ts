import type { Occupancy } from "../../e2e/support/occupancy.ts";
import { Chance } from "./chance.ts";
import type { Customer } from "./customer.ts";
import { Visitor } from "./visitor.ts";

/** So many meet on each channel. */
const NEIGHBOURS = 3;

export interface CrowdPlan {
  readonly channels: number;
  readonly visitors: number;
}

/** The visitors of one app. Half of its channels are presence channels, and two visitors at a time are one user. */
export class Crowd {
  readonly #visitors: readonly Visitor[];

  constructor({ app }: Customer, ports: readonly number[], { channels, visitors }: CrowdPlan) {
    const chance = new Chance(`crowd ${app.id}`);
    const neighbourhoods = Array.from({ length: visitors }, () => new Set<string>());
    for (let number = 0; number < channels; number++) {
      const kind = number % 2 === 0 ? "presence" : "lobby";
      for (let count = 0; count < NEIGHBOURS; count++)
        neighbourhoods[chance.below(visitors)]?.add(`${kind}-${app.id}-${number}`);
    }
    this.#visitors = neighbourhoods.map((neighbourhood, number) => {
      const userId = `user-${Math.floor(number / 2)}`;
      return new Visitor(app, { name: `${app.id}/${number}`, userId, ports }, [...neighbourhood]);
    });
  }

  /** Resolves with who is where, when everybody is and nobody moves any more. */
  async rest(): Promise<Occupancy> {
    await Promise.all(this.#visitors.map((visitor) => visitor.rest()));
    const occupancy = new Map<string, Set<string>>();
    for (const { userId, wanted } of this.#visitors) {
      for (const channel of wanted) {
        const members = occupancy.get(channel) ?? new Set();
        if (channel.startsWith("presence-")) members.add(userId);
        occupancy.set(channel, members);
      }
    }
    return occupancy;
  }

  async leave(): Promise<void> {
    await Promise.all(this.#visitors.map((visitor) => visitor.leave()));
  }
}
