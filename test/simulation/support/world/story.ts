import type { WebhookEvent } from "../../../../src/protocol/webhook-event.ts";

/**
 * The life of the channels as a series of events tells it. Whoever believes all of them must never hear what cannot be: a
 * channel is occupied and vacated in turns, and so a member comes and goes, while the channel is occupied.
 */
export class Story {
  /** Members by `app/channel`, of the channels that are occupied. */
  readonly occupancy = new Map<string, Set<string>>();
  /** The last count that was told. */
  readonly counts = new Map<string, number>();
  /** What clients sent, `<node> <number>`, by `app/channel`. */
  readonly sent = new Map<string, string[]>();

  /** What is wrong with the event, if anything is. */
  tell(appId: string, event: WebhookEvent): string | undefined {
    const place = `${appId}/${event.channel}`;
    const members = this.occupancy.get(place);
    switch (event.name) {
      case "channel_occupied":
        if (members !== undefined) return "was occupied";
        this.occupancy.set(place, new Set());
        return undefined;
      case "channel_vacated":
        this.occupancy.delete(place);
        if (members === undefined) return "was vacant";
        return members.size > 0 ? `has members: ${[...members].join(" ")}` : undefined;
      case "member_added":
        if (members === undefined) return "is of a vacant channel";
        if (members.has(event.user_id)) return "was a member";
        members.add(event.user_id);
        return undefined;
      case "member_removed":
        if (members === undefined) return "is of a vacant channel";
        return members.delete(event.user_id) ? undefined : "was no member";
      case "subscription_count":
        this.counts.set(place, event.subscription_count);
        return undefined;
      case "client_event":
        return this.#hearClient(place, event.data);
      default:
        return undefined;
    }
  }

  /** Numbers of one node grow, for it sent them one after the other. */
  #hearClient(place: string, data: string): string | undefined {
    const sent = this.sent.get(place) ?? [];
    this.sent.set(place, sent);
    const [node = "", number = ""] = data.split(" ");
    if (sent.includes(data)) return "was told before";
    const last = sent.findLast((other) => other.startsWith(`${node} `));
    sent.push(data);
    const isLater = last === undefined || Number(last.split(" ")[1]) < Number(number);
    return isLater ? undefined : `comes behind ${last}`;
  }

  copy(): Story {
    const copy = new Story();
    for (const [place, members] of this.occupancy) copy.occupancy.set(place, new Set(members));
    for (const [place, count] of this.counts) copy.counts.set(place, count);
    for (const [place, sent] of this.sent) copy.sent.set(place, [...sent]);
    return copy;
  }

  hasHeard(place: string, data: string): boolean {
    return this.sent.get(place)?.includes(data) === true;
  }

  /** To be compared with what is true. */
  toString(): string {
    return occupancyText(this.occupancy);
  }
}

export function occupancyText(occupancy: ReadonlyMap<string, Iterable<string>>): string {
  return Array.from(
    occupancy,
    ([place, members]) => `${place}(${[...members].toSorted().join(" ")})`,
  )
    .toSorted()
    .join(" ");
}
