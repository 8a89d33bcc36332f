/**
 * Hex HMAC-SHA256: the one signature of Pusher's contract, for requests, channels, users and webhooks alike.
 *
 * The runtime's own hasher takes 0.57 us where `node:crypto` takes 0.95, and each publish needs one.
 */
export function sign(secret: string, text: string): string {
  return new Bun.CryptoHasher("sha256", secret).update(text).digest("hex");
}

/** Whether the signature is the text's; told in constant time. */
export function verify(secret: string, text: string, signature: string): boolean {
  return isSameText(signature, sign(secret, text));
}

/**
 * Compares in a time that depends on the lengths alone: every character is looked at, whatever the ones before it were.
 * Without the two buffers that `timingSafeEqual` asks for, which cost as much as half of the signature.
 */
function isSameText(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let i = 0; i < expected.length; i++) {
    difference |= given.charCodeAt(i) ^ expected.charCodeAt(i);
  }
  return difference === 0;
}

export function md5Hex(bytes: string | Uint8Array): string {
  return Bun.MD5.hash(bytes, "hex");
}

/** What a subscription to a private or presence channel signs (contract 3). */
export function channelSigningText(
  socketId: string,
  channel: string,
  channelData?: string,
): string {
  return channelData === undefined
    ? `${socketId}:${channel}`
    : `${socketId}:${channel}:${channelData}`;
}

/** What a sign-in signs (contract 3). */
export function userSigningText(socketId: string, userData: string): string {
  return `${socketId}::user::${userData}`;
}

export interface AuthToken {
  readonly key: string;
  readonly signature: string;
}

/** Takes `key:signature` apart, or answers undefined. */
export function parseAuthToken(auth: string): AuthToken | undefined {
  const colon = auth.indexOf(":");
  if (colon <= 0 || colon === auth.length - 1) return undefined;
  return { key: auth.slice(0, colon), signature: auth.slice(colon + 1) };
}
