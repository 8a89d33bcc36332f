import type { BusMessage, FrameMessage } from "../../../channels/ports/bus.ts";

/**
 * A message of the Bus as text: a line that says what it is, then what is to be sent.
 *
 *   f<a|c|r>\t<socket that must not get it, or nothing>\n<frame>     source: API, client, Roster
 *   t\n<user id>                                                    terminate
 *
 * App and channel are in the name of the channel on which it comes. Scripts write such messages too (lua/write.lua). A
 * message of another kind is a newer version's.
 */
export function encode(message: BusMessage): string {
  if (message.kind === "terminate") return `t\n${message.userId}`;
  return `f${message.source.charAt(0)}\t${message.exceptSocketId ?? ""}\n${message.frame}`;
}

/** Undefined where it is a newer version's. */
export function decode(appId: string, channel: string, text: string): BusMessage | undefined {
  const newline = text.indexOf("\n");
  if (text.startsWith("t\n"))
    return { kind: "terminate", appId, channel, userId: text.slice(newline + 1) };
  const source = sourceOf(text.charCodeAt(1));
  if (!text.startsWith("f") || source === undefined || newline === -1) return undefined;
  return {
    kind: "frame",
    appId,
    channel,
    source,
    frame: text.slice(newline + 1),
    // "f", the source and the tab come before it.
    exceptSocketId: newline === 3 ? undefined : text.slice(3, newline),
  };
}

function sourceOf(code: number): FrameMessage["source"] | undefined {
  switch (code) {
    case 0x61:
      return "api";
    case 0x63:
      return "client";
    case 0x72:
      return "roster";
    default:
      return undefined;
  }
}
