/**
 * Channel names say what a channel is (contract 1.8):
 *
 *   [private-|presence-][encrypted-][cache-]name     and     #server-to-user-<user id>
 *
 * `encrypted-` counts after `private-` only. `#` is reserved: the user channel is the one name that may start with it.
 */
const NAME = /^[-a-zA-Z0-9_=@,.;]+$/;
const USER_PREFIX = "#server-to-user-";
const WATCHERS_PREFIX = "#watchers-of-";

export function isValidChannelName(name: string, maxLength: number): boolean {
  if (name.length > maxLength) return false;
  return NAME.test(name.startsWith(USER_PREFIX) ? name.slice(USER_PREFIX.length) : name);
}

export function isPresenceChannel(name: string): boolean {
  return name.startsWith("presence-");
}

/** Whether a subscriber must show a signature. The user channel is guarded by the sign-in instead. */
export function isPrivateChannel(name: string): boolean {
  return name.startsWith("private-") || name.startsWith("presence-");
}

export function isCacheChannel(name: string): boolean {
  return (
    name.startsWith("cache-") ||
    name.startsWith("private-cache-") ||
    name.startsWith("presence-cache-") ||
    name.startsWith("private-encrypted-cache-")
  );
}

/** The channel on which server libraries send to one user. */
export function userChannel(userId: string): string {
  return USER_PREFIX + userId;
}

/** The user whose channel this is, or undefined for any other channel. */
export function userOfChannel(name: string): string | undefined {
  return name.startsWith(USER_PREFIX) ? name.slice(USER_PREFIX.length) : undefined;
}

/**
 * Where the online and offline events about one user are published to those who watch that user. Ringmaster's own
 * address: no client can name it, for `isValidChannelName` refuses it.
 */
export function watchersChannel(userId: string): string {
  return WATCHERS_PREFIX + userId;
}

/** The user whose watchers listen there, or undefined for any other channel. */
export function watchedUserOf(name: string): string | undefined {
  return name.startsWith(WATCHERS_PREFIX) ? name.slice(WATCHERS_PREFIX.length) : undefined;
}
