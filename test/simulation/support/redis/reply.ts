import type { Reply } from "../../../../src/stores/redis/connection.ts";
import { fromBytes } from "./bytes.ts";

/** `OK`, to a client; to a script a table. */
export class Status {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a command answers. Texts are bytes, a character each. */
export type RawReply = null | number | string | Status | readonly RawReply[];

/** A command's error, in Redis' words: the first is its kind. */
export class RedisError extends Error {
  override readonly name = "RedisError";
}

export const OK = new Status("OK");

/** As the client library hands it over. */
export function replyOf(reply: RawReply): Reply {
  if (typeof reply === "string") return fromBytes(reply);
  if (reply instanceof Status) return reply.text;
  if (typeof reply === "object" && reply !== null) return reply.map(replyOf);
  return reply;
}
