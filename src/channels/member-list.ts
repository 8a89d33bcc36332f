import type { Announcement } from "../protocol/announcement.ts";
import type { Member } from "../protocol/frames.ts";

const NOBODY: readonly string[] = [];

/**
 * The members of a presence channel as the clients of this node know them: what the Roster answered the first of them, and
 * what it announced since. They all know the same, and hear of each change once, in the order of the Bus; only that a
 * socket knows its own user from the start.
 */
export class MemberList {
  /** Info by user id. */
  readonly #infos = new Map<string, string | null>();
  /** By user id: sockets that joined before their user was announced. */
  #early: Map<string, string[]> | undefined;

  constructor(members: readonly Member[]) {
    for (const { userId, infoJson } of members) this.#infos.set(userId, infoJson);
  }

  has(userId: string): boolean {
    return this.#infos.has(userId);
  }

  /** A socket of the member joins: answers whom it is told of. */
  enter(member: Member, socketId: string): Member[] {
    const members = Array.from(this.#infos, ([userId, infoJson]) => ({ userId, infoJson }));
    const { userId } = member;
    if (this.#infos.has(userId)) return members;
    members.push(member);
    this.#early ??= new Map();
    const sockets = this.#early.get(userId);
    if (sockets === undefined) this.#early.set(userId, [socketId]);
    else sockets.push(socketId);
    return members;
  }

  leave(userId: string, socketId: string): void {
    const sockets = this.#early?.get(userId);
    if (sockets === undefined) return;
    const left = sockets.filter((id) => id !== socketId);
    if (left.length > 0) this.#early?.set(userId, left);
    else this.#early?.delete(userId);
  }

  /** Answers the sockets that know it already; undefined when all do. */
  hear(announcement: Announcement): readonly string[] | undefined {
    if (announcement.kind === "member-added") {
      const { userId, infoJson } = announcement.member;
      // With another info it is older than an answer, and the leaving in between is yet to come; or that was missed.
      if (this.#infos.has(userId)) return undefined;
      this.#infos.set(userId, infoJson);
      const early = this.#early?.get(userId);
      if (early === undefined) return NOBODY;
      this.#early?.delete(userId);
      return early;
    }
    if (announcement.kind === "member-removed")
      return this.#infos.delete(announcement.userId) ? NOBODY : undefined;
    return NOBODY;
  }

  /** What has to be announced for the list to become this one: info by user id. */
  differencesTo(truth: ReadonlyMap<string, string | null>): Announcement[] {
    const differences: Announcement[] = [];
    for (const [userId, infoJson] of this.#infos)
      if (truth.get(userId) !== infoJson) differences.push({ kind: "member-removed", userId });
    for (const [userId, infoJson] of truth) {
      if (this.#infos.get(userId) !== infoJson)
        differences.push({ kind: "member-added", member: { userId, infoJson } });
    }
    return differences;
  }
}
