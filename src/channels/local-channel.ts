import { parseAnnouncement, type Announcement } from "../protocol/announcement.ts";
import { isPresenceChannel, watchedUserOf } from "../protocol/channel-name.ts";
import type { Member } from "../protocol/frames.ts";
import { MemberList } from "./member-list.ts";
import type { FrameMessage } from "./ports/bus.ts";

/** This node's sockets of one user on one presence channel. */
export interface LocalMember {
  readonly member: Member;
  connections: number;
}

/** The Roster is being asked for the state of the channel. */
export interface Inquiry {
  /** Whose subscription it is about. */
  readonly socketId: string | undefined;
  /**
   * The frames that the Roster announced since it was asked, in order. Some may be older than the answer; put behind it, in
   * order, they end at the truth all the same.
   */
  readonly since: string[];
  /** Its own announcement has passed. */
  hasPassed: boolean;
}

const NOBODY: readonly string[] = [];

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
  /** Of all nodes; undefined until the Roster has answered the first subscriber. */
  memberList: MemberList | undefined;
  /** Whether the watched user is online, as the watchers know it; undefined until the Roster has answered the first. */
  isOnline: boolean | undefined;
  /** Events of the API that passed so far: tells whether a newer one came while the cached one was fetched. */
  events = 0;
  /** Announcements of the Roster that passed so far. */
  announcements = 0;
  #inquiries: Set<Inquiry> | undefined;
  /** Sockets that joined before the count that they caused has passed, and have heard none since. */
  #informed: Set<string> | undefined;

  constructor(name: string, topic: string, attached: Promise<void>) {
    this.name = name;
    this.topic = topic;
    this.attached = attached;
  }

  /**
   * Notes what the Roster announces, before it is sent to the subscribers. Answers those of them that know it already;
   * undefined when all do.
   */
  announce({ frame, exceptSocketId }: FrameMessage): readonly string[] | undefined {
    this.announcements++;
    for (const inquiry of this.#inquiries ?? []) {
      if (exceptSocketId !== undefined && inquiry.socketId === exceptSocketId) {
        // Its own announcement is part of the step that made its answer: what came before is in the answer.
        inquiry.since.length = 0;
        inquiry.hasPassed = true;
      } else inquiry.since.push(frame);
    }
    if (isPresenceChannel(this.name)) return this.#announceMember(parseAnnouncement(frame));
    if (watchedUserOf(this.name) !== undefined) return this.#announceUser(parseAnnouncement(frame));
    return this.#announceCount(exceptSocketId);
  }

  inquire(socketId: string | undefined): Inquiry {
    const inquiry = { socketId, since: [], hasPassed: false };
    this.#inquiries ??= new Set();
    this.#inquiries.add(inquiry);
    return inquiry;
  }

  conclude(inquiry: Inquiry): void {
    this.#inquiries?.delete(inquiry);
    if (this.#inquiries?.size === 0) this.#inquiries = undefined;
  }

  /** The members as the Roster answered, where nobody here knew them. */
  learnMembers(members: readonly Member[], { since }: Inquiry): MemberList {
    if (this.memberList !== undefined) return this.memberList;
    this.memberList = new MemberList(members);
    for (const frame of since) this.#announceMember(parseAnnouncement(frame));
    return this.memberList;
  }

  /** The socket joins, and was told the count that it caused, if no other. */
  joinWithCount(socketId: string, { since, hasPassed }: Inquiry): void {
    if (hasPassed || since.length > 0) return;
    this.#informed ??= new Set();
    this.#informed.add(socketId);
  }

  /** The socket leaves: what was remembered of its joining is not needed any more. */
  forget(socketId: string, userId: string | undefined): void {
    if (userId !== undefined) this.memberList?.leave(userId, socketId);
    this.#informed?.delete(socketId);
    if (this.#informed?.size === 0) this.#informed = undefined;
  }

  #announceMember(announcement: Announcement | undefined): readonly string[] | undefined {
    if (announcement === undefined || this.memberList === undefined) return NOBODY;
    if (announcement.kind !== "member-added") return this.memberList.hear(announcement);
    const { userId, infoJson } = announcement.member;
    const local = this.members?.get(userId)?.member;
    // One text in memory instead of two.
    const member = local?.infoJson === infoJson ? local : announcement.member;
    return this.memberList.hear({ kind: "member-added", member });
  }

  #announceUser(announcement: Announcement | undefined): readonly string[] | undefined {
    if (announcement?.kind !== "user") return NOBODY;
    if (announcement.isOnline === this.isOnline) return undefined;
    this.isOnline = announcement.isOnline;
    return NOBODY;
  }

  /** A socket that heard an older count since its answer must hear its own as well, or would stay with the older. */
  #announceCount(causeSocketId: string | undefined): readonly string[] {
    const knows = causeSocketId !== undefined && this.#informed?.has(causeSocketId) === true;
    this.#informed = undefined;
    return knows ? [causeSocketId] : NOBODY;
  }
}
