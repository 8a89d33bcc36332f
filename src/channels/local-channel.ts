import type { Member } from "../protocol/frames.ts";

/** This node's sockets of one user on one presence channel. */
export interface LocalMember {
  readonly member: Member;
  connections: number;
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
  /** Frames fanned out so far: tells whether something newer passed while older state was fetched. */
  passed = 0;

  constructor(name: string, topic: string, attached: Promise<void>) {
    this.name = name;
    this.topic = topic;
    this.attached = attached;
  }
}
