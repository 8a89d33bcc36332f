import type { PresenceChannel } from "pusher-js";
import type { TestApp } from "./apps.ts";
import { PusherClient } from "./pusher-client.ts";

/** A real pusher-js that stays on one presence channel, whatever becomes of the servers, and knows who else is there. */
export class Member {
  readonly app: TestApp;
  readonly userId: string;
  readonly channel: string;
  readonly client: PusherClient;
  readonly #presence: PresenceChannel;

  constructor(app: TestApp, port: number, userId: string) {
    this.app = app;
    this.userId = userId;
    this.channel = `presence-${app.id}-0`;
    this.client = new PusherClient(app, { port, member: { user_id: userId } });
    this.#presence = this.client.pusher.subscribe(this.channel) as PresenceChannel;
  }

  /** Undefined while it is not on the channel. */
  seen(): string[] | undefined {
    if (!this.#presence.subscribed) return undefined;
    const seen: string[] = [];
    this.#presence.members.each(({ id }: { id: string }) => seen.push(id));
    return seen.toSorted();
  }

  leave(): void {
    this.client.pusher.disconnect();
  }
}
