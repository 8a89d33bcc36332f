import type { EdgeRecording } from "../../../channels/ports/roster.ts";

/** What a node said of one member of a presence channel. */
export interface SaidMember {
  readonly info: string;
  readonly connections: number;
}

export interface SaidChannel {
  readonly appId: string;
  readonly channel: string;
  subscribers: number;
  recording: EdgeRecording;
  announcesCount: boolean;
  /** By user id as JSON; undefined until the first member. */
  members: Map<string, SaidMember> | undefined;
}

export interface SaidUser {
  readonly appId: string;
  readonly userId: string;
  readonly connections: number;
}

/** What one operation says of a channel. */
export interface ChannelStatement {
  readonly appId: string;
  readonly channel: string;
  readonly subscribers: number;
  readonly recording: EdgeRecording;
  readonly announcesCount: boolean;
  readonly member:
    | { readonly user: string; readonly info: string; readonly connections: number }
    | undefined;
}

/**
 * All that a node has said of one partition, the store having taken it or not: what the store has to be brought to when it
 * has lost, or refused, some of it.
 */
export class Said {
  /** By `app/channel`. */
  readonly channels = new Map<string, SaidChannel>();
  /** By `app/user id`. */
  readonly users = new Map<string, SaidUser>();
  /** By app id; never 0. */
  readonly connections = new Map<string, number>();

  get isEmpty(): boolean {
    return this.channels.size + this.users.size + this.connections.size === 0;
  }

  noteChannel(statement: ChannelStatement): void {
    const { appId, channel, subscribers, recording, announcesCount, member } = statement;
    const place = `${appId}/${channel}`;
    if (subscribers === 0) {
      this.channels.delete(place);
      return;
    }
    let said = this.channels.get(place);
    if (said === undefined) {
      said = { appId, channel, subscribers, recording, announcesCount, members: undefined };
      this.channels.set(place, said);
    } else {
      said.subscribers = subscribers;
      said.recording = recording;
      said.announcesCount = announcesCount;
    }
    if (member === undefined) return;
    const { user, info, connections } = member;
    if (connections === 0) said.members?.delete(user);
    else (said.members ??= new Map()).set(user, { info, connections });
  }

  noteUser(user: SaidUser): void {
    const place = `${user.appId}/${user.userId}`;
    if (user.connections === 0) this.users.delete(place);
    else this.users.set(place, user);
  }

  noteConnections(appId: string, connections: number): void {
    if (connections === 0) this.connections.delete(appId);
    else this.connections.set(appId, connections);
  }
}
