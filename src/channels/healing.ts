import {
  announcementFrame,
  parseAnnouncement,
  type Announcement,
} from "../protocol/announcement.ts";
import { isPresenceChannel, watchedUserOf } from "../protocol/channel-name.ts";
import { subscriptionCountFrame, type Member } from "../protocol/frames.ts";
import { announcesCount } from "./holding.ts";
import type { Inquiry, LocalChannel } from "./local-channel.ts";
import type { Node } from "./node.ts";
import type { BusReceiver } from "./ports/bus.ts";
import type { Tenant } from "./tenant.ts";

/** After a restart of the store every node asks about all of its channels: not all at once. */
const SLICE_CHANNELS = 100;
const SLICE_INTERVAL_MS = 50;
/** A store that is back needs some time until all nodes have told it what it lost. */
const LOOK_AGAIN_MS = 3_000;

interface Illness {
  readonly tenant: Tenant;
  /** How many announcements had passed when the channel was whole again. */
  readonly announcements: number;
}

/**
 * Brings clients back to the truth where announcements of the Roster were missed, because the Bus was cut off: members,
 * counts, and who of the watched is online.
 *
 *   well ──missed──▶ ill ──asked──▶ well        (no answer, or one that is not true yet: ill still, asked again later)
 *
 * What the answer has and the clients have not is told as if it had been announced now: whatever else is announced
 * meanwhile stands in one line with it, and nobody is told anything twice. Messages that were missed stay missed.
 */
export class Healing {
  readonly #node: Node;
  readonly #receive: BusReceiver;
  readonly #ill = new Map<LocalChannel, Illness>();
  #cancel: (() => void) | undefined;
  #isClosed = false;

  constructor(node: Node, receive: BusReceiver) {
    this.#node = node;
    this.#receive = receive;
  }

  /** Channels whose clients may believe something wrong. */
  get ill(): number {
    return this.#ill.size;
  }

  missed(appId: string, name: string): void {
    const tenant = this.#node.tenants.get(appId);
    const channel = tenant?.channels.get(name);
    if (tenant === undefined || channel === undefined || !isAnnouncedOn(tenant, name)) return;
    this.#ill.set(channel, { tenant, announcements: channel.announcements });
    this.#healIn(0);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #healIn(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancel ??= this.#node.clock.after(delayMs, async () => {
      const isHealed = await this.#healSlice();
      this.#cancel = undefined;
      if (this.#ill.size > 0) this.#healIn(isHealed ? SLICE_INTERVAL_MS : LOOK_AGAIN_MS);
    });
  }

  /** Answers whether all of the slice is well. */
  async #healSlice(): Promise<boolean> {
    const slice = this.#ill.entries().take(SLICE_CHANNELS).toArray();
    const faults: unknown[] = [];
    const outcomes = await Promise.all(
      slice.map(async ([channel, illness]) => {
        this.#ill.delete(channel);
        const isWell = await this.#heal(channel, illness).catch((error: unknown) => {
          faults.push(error);
          return false;
        });
        // It may have been cut off anew.
        if (!isWell && !this.#ill.has(channel)) this.#ill.set(channel, illness);
        return isWell;
      }),
    );
    if (faults.length > 0) {
      const about = { channels: this.#ill.size, err: faults[0] };
      this.#node.log.warn(about, "could not ask what was missed: tried again later");
    }
    return !outcomes.includes(false);
  }

  async #heal(channel: LocalChannel, illness: Illness): Promise<boolean> {
    const inquiry = channel.inquire(undefined);
    try {
      if (this.#isOver(channel, illness.tenant)) return true;
      const user = watchedUserOf(channel.name);
      if (user !== undefined) return await this.#healUser(channel, illness, user);
      if (isPresenceChannel(channel.name))
        return await this.#healMembers(channel, illness, inquiry);
      return await this.#healCount(channel, illness);
    } finally {
      channel.conclude(inquiry);
    }
  }

  async #healMembers(
    channel: LocalChannel,
    { tenant }: Illness,
    { since }: Inquiry,
  ): Promise<boolean> {
    // Nobody is told anything yet; what the first will be told may lack what was missed.
    if (channel.memberList === undefined) return false;
    const { members } = await this.#node.roster.channel(tenant.id, channel.name);
    if (this.#isOver(channel, tenant)) return true;
    const truth = truthOf(members, since);
    for (const userId of channel.members?.keys() ?? []) {
      // We hold it: a store that does not know has lost more than that, and will be told by all nodes.
      if (channel.memberList.has(userId) && !truth.has(userId)) return false;
    }
    for (const difference of channel.memberList.differencesTo(truth))
      this.#announce(tenant, channel, difference);
    return true;
  }

  async #healUser(channel: LocalChannel, illness: Illness, userId: string): Promise<boolean> {
    if (channel.isOnline === undefined) return false;
    if (channel.announcements > illness.announcements) return true;
    const { tenant } = illness;
    const isOnline = (await this.#node.roster.online(tenant.id, [userId])).length > 0;
    if (this.#isOver(channel, tenant) || channel.announcements > illness.announcements) return true;
    if (!isOnline && this.#node.sessions.ofUser(tenant.id, userId).size > 0) return false;
    this.#announce(tenant, channel, { kind: "user", userId, isOnline });
    return true;
  }

  /** An announcement has all that there is to know: when one has passed, or passes meanwhile, nothing else is needed. */
  async #healCount(channel: LocalChannel, illness: Illness): Promise<boolean> {
    if (channel.announcements > illness.announcements) return true;
    const { tenant } = illness;
    const { subscribers } = await this.#node.roster.channel(tenant.id, channel.name);
    if (this.#isOver(channel, tenant) || channel.announcements > illness.announcements) return true;
    if (subscribers < channel.subscribers) return false;
    this.#send(tenant, channel, subscriptionCountFrame(channel.name, subscribers));
    return true;
  }

  /** Nobody is interested any more; or it was cut off anew, and an answer from before that tells nothing. */
  #isOver(channel: LocalChannel, tenant: Tenant): boolean {
    return tenant.channels.get(channel.name) !== channel || this.#ill.has(channel);
  }

  #announce(tenant: Tenant, channel: LocalChannel, announcement: Announcement): void {
    this.#send(tenant, channel, announcementFrame(channel.name, announcement));
  }

  #send(tenant: Tenant, channel: LocalChannel, frame: string): void {
    this.#receive({
      kind: "frame",
      appId: tenant.id,
      channel: channel.name,
      source: "roster",
      frame,
      exceptSocketId: undefined,
    });
  }
}

/** Whether the Roster announces anything there. */
function isAnnouncedOn(tenant: Tenant, name: string): boolean {
  return (
    isPresenceChannel(name) || watchedUserOf(name) !== undefined || announcesCount(tenant, name)
  );
}

/** Infos by user id: as the Roster answered, and announced since it was asked. */
function truthOf(members: readonly Member[], since: readonly string[]): Map<string, string | null> {
  const truth = new Map(members.map(({ userId, infoJson }) => [userId, infoJson]));
  for (const frame of since) {
    const announcement = parseAnnouncement(frame);
    if (announcement?.kind === "member-removed") truth.delete(announcement.userId);
    if (announcement?.kind !== "member-added") continue;
    const { userId, infoJson } = announcement.member;
    truth.set(userId, infoJson);
  }
  return truth;
}
