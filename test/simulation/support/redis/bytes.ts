const PLAIN = /^[\0-\x7f]*$/;

/** UTF-8, a character for each byte. */
export function toBytes(text: string): string {
  return PLAIN.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

export function fromBytes(bytes: string): string {
  return PLAIN.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8");
}
