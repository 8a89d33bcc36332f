import type { AppLimits } from "./limits.ts";
import type { Member } from "./frames.ts";
import { isNestedTooDeep } from "./nesting.ts";

/** A signed-in user, as its signed `user_data` tells (contract 1.14). */
export interface User extends Member {
  /** At most `limits.watchlistUsers` distinct ids. */
  readonly watchlist: readonly string[];
  /** The watchlist named more users than allowed. */
  readonly watchlistCut: boolean;
}

export type Parsed<T> = { readonly value: T } | { readonly fault: string };

function parseObject(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    if (isNestedTooDeep(json)) return undefined;
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function infoFault(infoJson: string | null, limits: AppLimits): string | undefined {
  if (infoJson === null || Buffer.byteLength(infoJson) <= limits.presenceUserInfoBytes)
    return undefined;
  return `user_info exceeds the allowed maximum (${limits.presenceUserInfoBytes} bytes)`;
}

/**
 * Reads a presence subscription's `channel_data`. A numeric `user_id` is allowed there, as in Pusher's own examples; it
 * becomes a string, as which it stands in every frame and webhook.
 */
export function parseMember(channelData: string, limits: AppLimits): Parsed<Member> {
  const data = parseObject(channelData);
  if (data === undefined) return { fault: "channel_data is not a JSON object" };
  const id = data["user_id"];
  if ((typeof id !== "string" && typeof id !== "number") || id === "") {
    return { fault: "channel_data must contain a user_id" };
  }
  const userId =
    typeof id === "string" || Number.isSafeInteger(id)
      ? String(id)
      : digitsOfUserId(channelData, id);
  if (userId.length > limits.userIdLength) {
    return { fault: `user_id exceeds the allowed maximum (${limits.userIdLength} characters)` };
  }
  const info = data["user_info"];
  const infoJson = info === undefined || info === null ? null : JSON.stringify(info);
  const fault = infoFault(infoJson, limits);
  return fault === undefined ? { value: { userId, infoJson } } : { fault };
}

/** A numeric id as it was written: a double would make one user of two whose ids differ in the last of many digits. */
function digitsOfUserId(channelData: string, id: number): string {
  const digits = new Map<unknown, string | undefined>();
  const parsed: unknown = JSON.parse(
    channelData,
    function (this: unknown, name, value, context?: { source?: string }) {
      if (name === "user_id") digits.set(this, context?.source);
      return value as unknown;
    },
  );
  return digits.get(parsed) ?? String(id);
}

/** Reads a sign-in's `user_data`. The id must be a string: pusher-js drops any other. */
export function parseUser(userData: string, limits: AppLimits): Parsed<User> {
  const data = parseObject(userData);
  if (data === undefined) return { fault: "user_data is not a JSON object" };
  const userId = data["id"];
  if (typeof userId !== "string" || userId === "")
    return { fault: "user_data must contain an id, a non-empty string" };
  if (userId.length > limits.userIdLength) {
    return {
      fault: `the user's id exceeds the allowed maximum (${limits.userIdLength} characters)`,
    };
  }

  const info = data["user_info"];
  const infoJson = info === undefined || info === null ? null : JSON.stringify(info);
  const fault = infoFault(infoJson, limits);
  if (fault !== undefined) return { fault };

  const named = data["watchlist"] ?? [];
  if (!Array.isArray(named) || !named.every((id) => typeof id === "string")) {
    return { fault: "watchlist must be an array of user ids" };
  }
  const distinct = [...new Set(named as string[])];
  const watchlist = distinct.slice(0, limits.watchlistUsers);
  return {
    value: { userId, infoJson, watchlist, watchlistCut: distinct.length > watchlist.length },
  };
}
