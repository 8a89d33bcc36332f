import type { EdgeRecording } from "../../../channels/ports/roster.ts";
import { watchersChannel } from "../../../protocol/channel-name.ts";
import {
  memberAddedFrame,
  memberRemovedFrame,
  watchlistEventsFrame,
} from "../../../protocol/frames.ts";
import type { WebhookEvent } from "../../../protocol/webhook-event.ts";
import type { ChannelStatement, SaidUser } from "./said.ts";

/** A letter and its arguments, as lua/write.lua reads them. */
export type Operation = readonly string[];

const RECORDING: Readonly<Record<EdgeRecording, string>> = {
  nothing: "0",
  edges: "1",
  "edges-and-counts": "2",
};

export interface HoldExtras {
  readonly causeSocketId: string | undefined;
  readonly maxMembers: number;
}

export function holdOperation(
  statement: ChannelStatement,
  { causeSocketId, maxMembers }: HoldExtras,
): Operation {
  const { recording, announcesCount } = statement;
  return hold(
    statement,
    RECORDING[recording],
    announcesCount ? "1" : "0",
    causeSocketId ?? "",
    maxMembers,
  );
}

/** Of a node that does not know, or cannot say, what is to be told of the channel: as it was said last. */
export function silentHoldOperation(
  statement: Pick<ChannelStatement, "appId" | "channel" | "subscribers" | "member">,
): Operation {
  return hold(statement, "", "", "", 0);
}

export function lateCountOperation(appId: string, channel: string): Operation {
  return ["C", appId, channel];
}

export function userOperation({ appId, userId, connections }: SaidUser): Operation {
  const name = connections > 0 ? "online" : "offline";
  const frame = watchlistEventsFrame([{ name, user_ids: [userId] }]);
  return ["U", appId, watchersChannel(userId), `${connections}`, frame];
}

export function connectionsOperation(appId: string, connections: number): Operation {
  return ["N", appId, `${connections}`];
}

export function eventOperation(appId: string, event: WebhookEvent): Operation {
  return ["E", appId, JSON.stringify(event)];
}

export function missOperation(appId: string, channel: string, intervalMs: number): Operation {
  const event: WebhookEvent = { name: "cache_miss", channel };
  return ["M", appId, channel, JSON.stringify(event), `${intervalMs}`];
}

export function forgetMissOperation(appId: string, channel: string): Operation {
  return ["F", appId, channel];
}

function hold(
  {
    appId,
    channel,
    subscribers,
    member,
  }: Pick<ChannelStatement, "appId" | "channel" | "subscribers" | "member">,
  recording: string,
  announce: string,
  cause: string,
  maxMembers: number,
): Operation {
  const head = ["H", appId, channel, `${subscribers}`, recording, announce, cause];
  if (member === undefined) return [...head, "", "", "0", "0", ""];
  const { user, info, connections } = member;
  const userId = JSON.parse(user) as string;
  const frame =
    connections > 0
      ? memberAddedFrame(channel, { userId, infoJson: info === "" ? null : info })
      : memberRemovedFrame(channel, userId);
  return [...head, user, info, `${connections}`, `${maxMembers}`, frame];
}
