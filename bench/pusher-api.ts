import { createHash, createHmac } from "node:crypto";
import { type Message, messageData } from "./request-file.ts";

export interface Credentials {
  readonly appId: string;
  readonly key: string;
  readonly secret: string;
}

/** The app that both peers serve, so that both are sent the very same bytes. */
export const CREDENTIALS: Credentials = { appId: "1", key: "bench-key", secret: "bench-secret" };

export const EVENT_NAME = "bench";

/** The bytes of a signed request that publishes these messages: `/events` for one, `/batch_events` for several. */
export function publishRequest(messages: readonly Message[]): Buffer {
  const [first] = messages;
  if (first === undefined) throw new Error("a publish needs a message");
  if (messages.length === 1) {
    return signedPost("events", {
      name: EVENT_NAME,
      channels: [first.channel],
      data: messageData(first),
    });
  }
  const batch = messages.map((message) => ({
    name: EVENT_NAME,
    channel: message.channel,
    data: messageData(message),
  }));
  return signedPost("batch_events", { batch });
}

function signedPost(endpoint: string, content: unknown): Buffer {
  const body = JSON.stringify(content);
  const path = `/apps/${CREDENTIALS.appId}/${endpoint}`;
  const query = [
    `auth_key=${CREDENTIALS.key}`,
    `auth_timestamp=${Math.floor(Date.now() / 1_000)}`,
    "auth_version=1.0",
    `body_md5=${createHash("md5").update(body).digest("hex")}`,
  ].join("&");
  const signature = createHmac("sha256", CREDENTIALS.secret)
    .update(`POST\n${path}\n${query}`)
    .digest("hex");
  return Buffer.from(
    `POST ${path}?${query}&auth_signature=${signature} HTTP/1.1\r\n` +
      "Host: 127.0.0.1\r\nContent-Type: application/json\r\nX-Pusher-Library: bench 1.0.0\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
