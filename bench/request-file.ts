import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { scratchFile } from "./compile.ts";

/** One event to publish. The id travels in its data, which is how the load generator recognises a delivery. */
export interface Message {
  readonly channel: string;
  readonly id: number;
}

export interface Request {
  readonly bytes: Buffer;
  readonly messages: number;
  /** Sockets that each of its messages must reach. */
  readonly deliveriesPerMessage: number;
}

const DATA_BYTES = 100;
const MARKER_DIGITS = 16;

/** `data` of a message: a JSON text of 100 bytes, the same for every contestant. */
export function messageData(message: Message): string {
  const marker = `@${String(message.id).padStart(MARKER_DIGITS, "0")}@`;
  const frame = JSON.stringify({ id: marker, text: "" });
  return JSON.stringify({ id: marker, text: "x".repeat(DATA_BYTES - frame.length) });
}

/** Writes requests as `load/load.c` reads and deletes them, and hands the file over. */
export async function withRequestFile<T>(
  firstId: number,
  requests: readonly Request[],
  use: (file: string) => Promise<T>,
): Promise<T> {
  const file = scratchFile(`requests-${randomUUID()}`);
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(firstId));
  const parts: Buffer[] = [head];
  for (const request of requests) {
    const fields = Buffer.alloc(12);
    fields.writeUInt32LE(request.bytes.length, 0);
    fields.writeUInt32LE(request.messages, 4);
    fields.writeUInt32LE(request.deliveriesPerMessage, 8);
    parts.push(fields, request.bytes);
  }
  await Bun.write(file, Buffer.concat(parts));
  try {
    return await use(file);
  } finally {
    await rm(file, { force: true });
  }
}
