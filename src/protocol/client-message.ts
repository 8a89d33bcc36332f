import { isNestedTooDeep } from "./nesting.ts";

/** What a client sent, taken apart (contract 1.5). Nothing in it is believed yet but its shape. */
export type ClientMessage =
  | { readonly kind: "ping" }
  | { readonly kind: "pong" }
  | {
      readonly kind: "subscribe";
      readonly channel: string;
      readonly auth: string | undefined;
      readonly channelData: string | undefined;
    }
  | { readonly kind: "unsubscribe"; readonly channel: string }
  | { readonly kind: "signin"; readonly auth: string; readonly userData: string }
  | {
      readonly kind: "client-event";
      readonly event: string;
      readonly channel: string;
      readonly data: string;
    };

export type ParsedMessage = ClientMessage | { readonly kind: "invalid"; readonly message: string };

const MAX_ECHO_LENGTH = 200;

/** A client's own words in an answer to it, cut short: an answer must not be larger than the question. */
export function echo(text: string): string {
  return text.length <= MAX_ECHO_LENGTH ? text : `${text.slice(0, MAX_ECHO_LENGTH)}…`;
}

function invalid(message: string): ParsedMessage {
  return { kind: "invalid", message };
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Reads one text frame. Never throws; a fault is answered in the hosted server's words. */
export function parseClientMessage(frame: string): ParsedMessage {
  try {
    return read(frame, JSON.parse(frame));
  } catch {
    // Not JSON, or nested deeper than the stack.
    return invalid("Received invalid JSON");
  }
}

function read(frame: string, parsed: unknown): ParsedMessage {
  const message = fields(parsed);
  const event = message["event"];
  if (typeof event !== "string") return invalid("Received invalid JSON");

  switch (event) {
    case "pusher:ping":
      return { kind: "ping" };
    case "pusher:pong":
      return { kind: "pong" };
    case "pusher:subscribe": {
      const data = fields(message["data"]);
      const channel = asText(data["channel"]);
      if (channel === undefined) return invalid("Invalid subscribe: must contain channel");
      return {
        kind: "subscribe",
        channel,
        auth: asText(data["auth"]),
        channelData: asText(data["channel_data"]),
      };
    }
    case "pusher:unsubscribe": {
      const channel = asText(fields(message["data"])["channel"]);
      if (channel === undefined) return invalid("Invalid unsubscribe: must contain channel");
      return { kind: "unsubscribe", channel };
    }
    case "pusher:signin": {
      const data = fields(message["data"]);
      const auth = asText(data["auth"]);
      const userData = asText(data["user_data"]);
      if (auth === undefined || userData === undefined)
        return invalid("Invalid signin: must contain auth and user_data");
      return { kind: "signin", auth, userData };
    }
  }
  if (event.startsWith("pusher:") || event.startsWith("pusher_internal:")) {
    return invalid(`Unsupported event received on socket: ${echo(event)}`);
  }
  const channel = asText(message["channel"]);
  const data = message["data"];
  if (channel === undefined || data === undefined) {
    return event.startsWith("client-")
      ? invalid("Invalid client event (must contain channel and data)")
      : invalid(`Unsupported event received on socket: ${echo(event)}`);
  }
  if (!event.startsWith("client-")) {
    return invalid("Client event rejected - client events must be prefixed by 'client-'");
  }
  if (typeof data === "object" && isNestedTooDeep(frame)) {
    return invalid("Client event rejected - data is nested too deep");
  }
  // Other clients expect a string: Swift drops an object and Java cannot cast it, while pusher-js decodes either.
  return {
    kind: "client-event",
    event,
    channel,
    data: typeof data === "string" ? data : JSON.stringify(data),
  };
}
