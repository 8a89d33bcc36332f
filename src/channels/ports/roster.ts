import type { Member } from "../../protocol/frames.ts";

/** What this node now holds of one member of a presence channel. */
export interface MemberHolding {
  readonly member: Member;
  /** This node's sockets of that user on the channel: absolute, 0 when the last one left. */
  readonly connections: number;
  /** Distinct users that the channel may have, all nodes together. */
  readonly maxMembers: number;
}

/** What this node now holds of one channel. Numbers are absolute, never increments: saying it twice changes nothing. */
export interface ChannelHolding {
  readonly appId: string;
  readonly channel: string;
  /** This node's sockets on the channel; 0 when the last one left. */
  readonly subscribers: number;
  /** The member whose socket came or went, on a presence channel. */
  readonly member: MemberHolding | undefined;
  /** The socket that caused this. It is told the outcome by its own node, so announcements skip it. None: nobody did. */
  readonly causeSocketId: string | undefined;
  /** Whether subscribers are told the count of subscribers. */
  readonly announceCount: boolean;
  /** What of it is written to the event log, for webhooks. */
  readonly record: EdgeRecording;
}

/** `edges` of channels and members; with counts, also each count that subscribers are told. */
export type EdgeRecording = "nothing" | "edges" | "edges-and-counts";

export interface ChannelState {
  /** Sockets on the channel, all nodes together. */
  readonly subscribers: number;
  /** Distinct users, in no order; empty unless it is a presence channel. */
  readonly members: readonly Member[];
}

/** The answer to a holding. A refused one has changed nothing. */
export type HoldingOutcome =
  /** `state.members` is filled in when a member came, who needs the list; not when one left. */
  | { readonly accepted: true; readonly state: ChannelState }
  | { readonly accepted: false; readonly reason: "presence-channel-full" };

export interface ChannelSummary {
  readonly channel: string;
  readonly subscribers: number;
  /** Distinct users; 0 unless it is a presence channel. */
  readonly users: number;
}

/**
 * Who is where, cluster-wide: subscribers, presence members, signed-in users, open connections.
 *
 * Guarantees:
 * - Edges (first in, last out, of channels, members and users) are decided here, in one atomic step with the state, and
 *   exactly once however many nodes race. Nobody else counts.
 * - Where a holding asks for it, the edge is written to the event log in that same step: `channel_occupied`,
 *   `channel_vacated`, `member_added`, `member_removed`, `subscription_count`. A channel that was occupied before anybody
 *   asked is written at the first holding that does, so the log always begins with what is.
 * - What clients are told of an edge (`member_added`, `member_removed`, `subscription_count`, watchlist events) goes out on
 *   the Bus in the order of the edges, as part of the same step: a caller that dies leaves nobody with a stale list.
 * - Every holding belongs to the node that said it. When a node dies, its holdings are withdrawn as if it had said 0
 *   everywhere, edges and announcements included.
 * - Calls of one node about one channel take effect in the order of the calls.
 * - What was told and could not be written is written later, by the engine, as it was told last: a rejection of a `hold…`
 *   tells only that it is not there yet, and nobody need say it again.
 * - The cost of a call does not depend on the number of nodes.
 *
 * User channels (`#server-to-user-…`) are never told to the Roster: they are no channels that an app sees.
 */
export interface Roster {
  /** Says what this node holds of a channel, and answers what the cluster holds. */
  hold(holding: ChannelHolding): Promise<HoldingOutcome>;
  /** Says how many sockets of this node are signed in as the user. Watchers hear of the edges. */
  holdUser(appId: string, userId: string, connections: number): Promise<void>;
  /** Says how many sockets of the app count towards its quota here, and answers how many do in the cluster. */
  holdConnections(appId: string, connections: number): Promise<number>;
  /** An unoccupied channel answers zeros. */
  channel(appId: string, channel: string): Promise<ChannelState>;
  /** The occupied channels whose name starts with the prefix, in no order. */
  channels(appId: string, prefix: string): Promise<ChannelSummary[]>;
  /** Those of the users that have a signed-in socket anywhere, in the order given. */
  online(appId: string, userIds: readonly string[]): Promise<string[]>;
  close(): Promise<void>;
}
