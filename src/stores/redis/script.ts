/** A Lua script, known to the server by the hash of its text. */
export interface Script {
  readonly name: string;
  readonly source: string;
  /** SHA-1 of the source, in hex. */
  readonly hash: string;
}

/** The parts are put behind each other: functions that several scripts share come first. */
export function script(name: string, ...parts: readonly string[]): Script {
  const source = parts.join("\n");
  return { name, source, hash: new Bun.CryptoHasher("sha1").update(source).digest("hex") };
}
