import { printable } from "./printable.ts";

/** An event as a subscriber got it. */
export interface ReceivedEvent {
  readonly at: Date;
  /** Null for what is about the connection. */
  readonly channel: string | null;
  readonly event: string;
  /** As in the frame: a string that may hold JSON, or anything. Undefined where there is none. */
  readonly data: unknown;
  /** Who sent it: client events on presence channels say so. */
  readonly userId: string | null;
}

/** For machines: one JSON object, the same members in every line, data decoded if it is JSON. */
export function eventJson({ at, channel, event, data, userId }: ReceivedEvent): string {
  return JSON.stringify({
    time: at.toISOString(),
    channel,
    event,
    data: decoded(data) ?? null,
    user_id: userId,
  });
}

/** For people: local time, channel, event and data, exactly as it was sent but for control characters. */
export function eventText({ at, channel, event, data, userId }: ReceivedEvent): string {
  const sender = userId === null ? "" : `  (from ${userId})`;
  return printable(
    `${localTime(at)}  ${channel ?? "-"}  ${event}  ${dataText(data)}${sender}`.trimEnd(),
  );
}

function dataText(data: unknown): string {
  if (data === undefined) return "";
  if (typeof data !== "string") return JSON.stringify(data);
  // JSON over several lines is shown on one; any other is left as it is, for decoding rounds large numbers.
  const value = /[\n\r\t]/.test(data) ? decoded(data) : data;
  return typeof value === "string" ? data : JSON.stringify(value);
}

function decoded(data: unknown): unknown {
  if (typeof data !== "string") return data;
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return data;
  }
}

function localTime(at: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const milliseconds = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${milliseconds}`;
}
