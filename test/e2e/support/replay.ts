import type { Call, ToldEvent } from "./call.ts";

/** What a receiver that believes all it is told thinks of the world. */
export interface Told {
  readonly occupancy: ReadonlyMap<string, ReadonlySet<string>>;
  readonly events: number;
  /** Where it was told what cannot be, or what it should not have been. */
  readonly faults: readonly string[];
}

interface Entry {
  readonly sequence: number;
  readonly event: ToldEvent;
}

/**
 * The life of the channels as one endpoint was told it: webhooks that repeat an id count once, and events stand in the
 * order of their sequence, whenever they came.
 */
export function replay(appId: string, calls: readonly Call[]): Told {
  const faults: string[] = [];
  const firsts = new Map<string, Call>();
  /** By sequence and channel: in another partition the same number may stand for another event. */
  const idOf = new Map<string, string>();
  const entries: Entry[] = [];
  for (const call of calls) {
    const { id, body, headers, events } = call;
    const places = String(headers["ringmaster-sequence"]);
    const first = firsts.get(id);
    if (first !== undefined) {
      if (first.body !== body || first.headers["ringmaster-sequence"] !== places)
        faults.push(`${id} came with two bodies: ${first.body} and ${body}`);
      continue;
    }
    firsts.set(id, call);
    let lastSequence = 0;
    for (const [i, text] of places.split(",").entries()) {
      const sequence = Number(text);
      const event = events[i];
      if (event === undefined) continue;
      if (sequence <= lastSequence) faults.push(`${id} is not in order: ${places}`);
      lastSequence = sequence;
      const place = `${sequence} ${event.channel}`;
      const other = idOf.get(place);
      if (other !== undefined) faults.push(`event ${place} came under ${other} and ${id}`);
      idOf.set(place, id);
      entries.push({ sequence, event });
    }
  }
  const occupancy = new Map<string, Set<string>>();
  for (const { sequence, event } of entries.toSorted((a, b) => a.sequence - b.sequence)) {
    const fault = !event.channel.includes(`-${appId}-`)
      ? "is of another app"
      : faultOf(event, occupancy);
    if (fault !== undefined) faults.push(`${sequence} ${JSON.stringify(event)} ${fault}`);
  }
  return { occupancy, events: entries.length, faults };
}

/** Applies the event. */
function faultOf(event: ToldEvent, occupancy: Map<string, Set<string>>): string | undefined {
  const { name, channel } = event;
  const members = occupancy.get(channel);
  const userId = String(event["user_id"]);
  switch (name) {
    case "channel_occupied":
      if (members !== undefined) return "was occupied";
      occupancy.set(channel, new Set());
      return undefined;
    case "channel_vacated":
      occupancy.delete(channel);
      if (members === undefined) return "was vacant";
      return members.size > 0 ? `has members: ${[...members].join(" ")}` : undefined;
    case "member_added":
      if (members === undefined) return "is of a vacant channel";
      if (members.has(userId)) return "was a member";
      members.add(userId);
      return undefined;
    case "member_removed":
      if (members === undefined) return "is of a vacant channel";
      return members.delete(userId) ? undefined : "was no member";
    default:
      return "was not asked for";
  }
}
