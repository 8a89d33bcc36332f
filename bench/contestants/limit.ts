import { Child, SERVER_CORE } from "../child.ts";
import { compile } from "../compile.ts";
import { type Contestant, freePort, untilListening } from "../contestant.ts";
import { EVENT_NAME } from "../pusher-api.ts";
import { type Message, messageData } from "../request-file.ts";

/** The floor: a C program that only writes the ready-made frames it is handed. */
export const LIMIT: Contestant = {
  name: "limit",
  async start() {
    const [program, port] = await Promise.all([compile("limit"), freePort()]);
    return untilListening(new Child([program, String(port)], { core: SERVER_CORE }), port);
  },
  publishRequest(messages) {
    const body = Buffer.concat(messages.map(frame));
    return Buffer.concat([
      Buffer.from(`POST / HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n`),
      body,
    ]);
  },
};

function frame(message: Message): Buffer {
  const text = Buffer.from(
    JSON.stringify({ event: EVENT_NAME, channel: message.channel, data: messageData(message) }),
  );
  const head = Buffer.from([0x81, 126, text.length >> 8, text.length & 255]);
  return Buffer.concat([head, text]);
}
