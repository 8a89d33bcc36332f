import type { Member } from "../protocol/frames.ts";
import type { FrameMessage } from "./ports/bus.ts";

/** This node's sockets of one user on one presence channel. */
export interface LocalMember {
  readonly member: Member;
  connections: number;
}

/** A socket that has asked the Roster for the state of the channel, and gets no frames of the channel yet. */
export interface Joining {
  readonly socketId: string;
  /**
   * What the Roster announced since it was asked, in order. Some may be older than the answer; told behind it, in order,
   * they end at the truth all the same.
   */
  readonly missed: string[];
}

/** A channel in which this node has an interest. It exists from the first interest until the last one is gone. */
export class LocalChannel {
  readonly name: string;
  /** The runtime's topic: unique among apps, for an app's id holds no slash. */
  readonly topic: string;
  /** Resolves when this node receives the channel's messages. */
  readonly attached: Promise<void>;
  /** Sockets of this node that get what is published. */
  subscribers = 0;
  /** Sockets for whose sake this node listens, and which get nothing by that. */
  listeners = 0;
  /** By user id; stays undefined unless it is a presence channel. */
  members: Map<string, LocalMember> | undefined;
  /** Events of the API that passed so far: tells whether a newer one came while the cached one was fetched. */
  events = 0;
  /** Announcements of the Roster that passed so far. */
  announcements = 0;
  #joining: Set<Joining> | undefined;

  constructor(name: string, topic: string, attached: Promise<void>) {
    this.name = name;
    this.topic = topic;
    this.attached = attached;
  }

  /** Notes what passes here, before it is sent to the subscribers. */
  pass({ source, frame, exceptSocketId }: FrameMessage): void {
    if (source === "api") this.events++;
    if (source !== "roster") return;
    this.announcements++;
    if (this.#joining === undefined) return;
    for (const { socketId, missed } of this.#joining) {
      // Its own announcement is part of the step that made its answer: what came before is in the answer.
      if (socketId === exceptSocketId) missed.length = 0;
      else missed.push(frame);
    }
  }

  startJoining(socketId: string): Joining {
    const joining = { socketId, missed: [] };
    this.#joining ??= new Set();
    this.#joining.add(joining);
    return joining;
  }

  endJoining(joining: Joining): void {
    this.#joining?.delete(joining);
    if (this.#joining?.size === 0) this.#joining = undefined;
  }
}
