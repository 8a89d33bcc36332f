import { randomBytes } from "node:crypto";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TestContext } from "node:test";
import { channelAuth, userAuth } from "../../support/signing.ts";
import type { TestApp } from "./apps.ts";
import { Inbox } from "./inbox.ts";
import { DEADLINE_MS, within } from "./wait.ts";

export interface Message {
  readonly event: string;
  readonly channel?: string;
  readonly data?: unknown;
  readonly user_id?: string;
}

export interface Closing {
  /** 1006 where the connection ended without a close frame. */
  readonly code: number;
  readonly reason: string;
  readonly atMs: number;
  /** When the close frame came; when the connection ended, where none did. */
  readonly toldAtMs: number;
}

export interface RawOptions {
  readonly port: number;
  readonly key: string;
  readonly protocol?: string | null;
  /** In the place of `/app/<key>`. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: boolean;
  /** Otherwise it answers `pusher:ping` and WebSocket pings as a client must. */
  readonly answersPings?: boolean;
}

const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * A WebSocket as bare as it can be, for what pusher-js cannot express: other protocol versions, wrong frames, a peer
 * that does not read or does not answer.
 */
export class RawWebSocket {
  readonly messages = new Inbox<Message>();
  readonly pings = new Inbox<string>();
  readonly pongs = new Inbox<string>();
  readonly closed: Promise<Closing>;
  readonly tcp: Socket;
  readonly #options: RawOptions;
  #received: Buffer = Buffer.alloc(0);
  #upgraded: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  #closeFrame: Omit<Closing, "atMs"> | undefined;
  isOpen = true;

  private constructor(options: RawOptions) {
    this.#options = options;
    const { port } = options;
    this.tcp = options.tls
      ? connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false })
      : connectTcp({ host: "127.0.0.1", port });
    this.tcp.setNoDelay(true);
    this.tcp.on("data", (chunk: Buffer) => this.#read(chunk));
    this.tcp.on("error", (error) => this.#failed?.(error));
    this.closed = new Promise((resolve) => {
      this.tcp.once("close", () => {
        this.isOpen = false;
        this.#failed?.(new Error("the connection ended during the handshake"));
        const atMs = performance.now();
        resolve({ ...(this.#closeFrame ?? { code: 1006, reason: "", toldAtMs: atMs }), atMs });
      });
    });
  }

  /** Resolves when the handshake is done; nothing of Pusher's has been waited for. */
  static async open(options: RawOptions): Promise<RawWebSocket> {
    const socket = new RawWebSocket(options);
    const protocol = options.protocol === undefined ? "7" : options.protocol;
    const query =
      protocol === null
        ? "client=test"
        : `protocol=${encodeURIComponent(protocol)}&client=test&version=1.0.0`;
    const headers = {
      Host: `127.0.0.1:${options.port}`,
      Upgrade: "websocket",
      Connection: "Upgrade",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Version": "13",
      ...options.headers,
    };
    const upgraded = new Promise<void>((resolve, reject) => {
      socket.#upgraded = resolve;
      socket.#failed = reject;
    });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.tcp.write(
      `GET ${options.path ?? `/app/${options.key}`}?${query} HTTP/1.1\r\n${lines.join("")}\r\n`,
    );
    await within("the WebSocket handshake", upgraded);
    return socket;
  }

  message(event: string, channel?: string, ms = DEADLINE_MS): Promise<Message> {
    const what = channel === undefined ? event : `${event} on ${channel}`;
    return this.messages.take(
      what,
      (it) => it.event === event && (channel === undefined || it.channel === channel),
      ms,
    );
  }

  /** The data of the next message of that name, decoded as clients do. */
  async data(event: string, channel?: string): Promise<unknown> {
    const { data } = await this.message(event, channel);
    return typeof data === "string" ? JSON.parse(data) : data;
  }

  /** The next `pusher:error`. */
  async error(): Promise<{ readonly code: number | null; readonly message: string }> {
    return (await this.message("pusher:error")).data as { code: number | null; message: string };
  }

  /** Everything sent before this has been worked on, and its answers are here. */
  async settled(): Promise<void> {
    this.send({ event: "pusher:unsubscribe", data: { channel: "settled?" } });
    await this.messages.take("the answer to an unsubscribe", (it) =>
      JSON.stringify(it).includes("settled?"),
    );
  }

  send(message: unknown): void {
    this.sendText(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.#write(OPCODE.text, Buffer.from(text));
  }

  sendBinary(bytes: Uint8Array): void {
    this.#write(OPCODE.binary, bytes);
  }

  ping(text: string): void {
    this.#write(OPCODE.ping, Buffer.from(text));
  }

  close(): void {
    if (!this.isOpen) return;
    this.#write(OPCODE.close, Buffer.from([0x03, 0xe8]));
    this.tcp.end();
  }

  /** Ends it without a word. */
  destroy(): void {
    this.tcp.destroy();
  }

  #write(opcode: number, payload: Uint8Array): void {
    if (!this.tcp.writable) return;
    const { length } = payload;
    const header = [0x80 | opcode];
    if (length < 126) header.push(0x80 | length);
    else if (length < 65_536) header.push(0x80 | 126, length >> 8, length & 0xff);
    else
      header.push(
        0x80 | 127,
        0,
        0,
        0,
        0,
        (length >>> 24) & 0xff,
        (length >>> 16) & 0xff,
        (length >>> 8) & 0xff,
        length & 0xff,
      );
    // A mask of zeros is a mask: the payload goes out as it is.
    this.tcp.write(Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), payload]));
  }

  #read(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    if (this.#upgraded !== undefined && !this.#readHandshake()) return;
    let at = 0;
    for (;;) {
      const frame = frameAt(this.#received, at);
      if (frame === undefined) break;
      at = frame.end;
      this.#frame(frame.opcode, frame.payload);
    }
    this.#received = this.#received.subarray(at);
  }

  #readHandshake(): boolean {
    const end = this.#received.indexOf("\r\n\r\n");
    if (end === -1) return false;
    const head = this.#received.toString("latin1", 0, end);
    this.#received = this.#received.subarray(end + 4);
    if (head.startsWith("HTTP/1.1 101")) this.#upgraded?.();
    else this.#failed?.(new Error(`no WebSocket: ${head}`));
    this.#upgraded = undefined;
    this.#failed = undefined;
    return true;
  }

  #frame(opcode: number, payload: Buffer): void {
    const text = payload.toString("utf8");
    const answers = this.#options.answersPings !== false;
    if (opcode === OPCODE.text) {
      const message = JSON.parse(text) as Message;
      if (message.event === "pusher:ping" && answers) this.send({ event: "pusher:pong", data: {} });
      this.messages.push(message);
    } else if (opcode === OPCODE.ping) {
      this.pings.push(text);
      if (answers) this.#write(OPCODE.pong, payload);
    } else if (opcode === OPCODE.pong) {
      this.pongs.push(text);
    } else if (opcode === OPCODE.close) {
      this.#closeFrame = {
        code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005,
        reason: payload.toString("utf8", 2),
        toldAtMs: performance.now(),
      };
      this.#write(OPCODE.close, payload.subarray(0, 2));
      this.tcp.end();
    }
  }
}

function frameAt(
  bytes: Buffer,
  at: number,
): { opcode: number; payload: Buffer; end: number } | undefined {
  if (bytes.length < at + 2) return undefined;
  let length = bytes[at + 1]! & 0x7f;
  let start = at + 2;
  if (length === 126) {
    if (bytes.length < at + 4) return undefined;
    length = bytes.readUInt16BE(at + 2);
    start = at + 4;
  } else if (length === 127) {
    if (bytes.length < at + 10) return undefined;
    length = Number(bytes.readBigUInt64BE(at + 2));
    start = at + 10;
  }
  const end = start + length;
  return bytes.length < end
    ? undefined
    : { opcode: bytes[at]! & 0x0f, payload: bytes.subarray(start, end), end };
}

/** Opened for one test and closed with it. */
export async function rawSocket(t: TestContext, options: RawOptions): Promise<RawWebSocket> {
  const socket = await RawWebSocket.open(options);
  t.after(() => socket.destroy());
  return socket;
}

/** A raw socket that has its socket id, and can sign for itself as an app's server would for it. */
export class RawClient {
  readonly socket: RawWebSocket;
  readonly socketId: string;
  readonly #app: TestApp;

  constructor(socket: RawWebSocket, socketId: string, app: TestApp) {
    this.socket = socket;
    this.socketId = socketId;
    this.#app = app;
  }

  /** Resolves with the data of subscription_succeeded. */
  async subscribe(channel: string, channelData?: unknown): Promise<unknown> {
    this.askToSubscribe(channel, channelData);
    return this.socket.data("pusher_internal:subscription_succeeded", channel);
  }

  askToSubscribe(channel: string, channelData?: unknown): void {
    const text = channelData === undefined ? undefined : JSON.stringify(channelData);
    const auth = /^(private|presence)-/.test(channel)
      ? channelAuth({ ...this.#app, active: true }, this.socketId, channel, text)
      : "";
    this.socket.send({ event: "pusher:subscribe", data: { channel, auth, channel_data: text } });
  }

  unsubscribe(channel: string): void {
    this.socket.send({ event: "pusher:unsubscribe", data: { channel } });
  }

  askToSignIn(userData: unknown): void {
    const text = JSON.stringify(userData);
    const auth = userAuth({ ...this.#app, active: true }, this.socketId, text);
    this.socket.send({ event: "pusher:signin", data: { auth, user_data: text } });
  }

  async signIn(userData: unknown): Promise<void> {
    this.askToSignIn(userData);
    await this.socket.message("pusher:signin_success");
  }
}

export async function connectRaw(
  app: TestApp,
  options: Omit<RawOptions, "key">,
): Promise<RawClient> {
  const socket = await RawWebSocket.open({ ...options, key: app.key });
  const { socket_id: socketId } = (await socket.data("pusher:connection_established")) as {
    socket_id: string;
  };
  return new RawClient(socket, socketId, app);
}

/** Connected for one test and closed with it. */
export async function rawClient(
  t: TestContext,
  app: TestApp,
  options: Omit<RawOptions, "key">,
): Promise<RawClient> {
  const client = await connectRaw(app, options);
  t.after(() => client.socket.destroy());
  return client;
}
