import { describe, expect, test } from "bun:test";
import { LiveSocket, type ServerMessage } from "../../../src/cli/client/live-socket.ts";
import { ScriptedServer, type Script } from "./scripted-server.ts";

const SHORT = { handshakeMs: 100, pongMs: 100 };
const PATIENT = { handshakeMs: 60_000, pongMs: 60_000 };

/** What a socket heard from its server, and how it ended. */
async function life(script: Script, timeouts = PATIENT): Promise<object> {
  await using server = new ScriptedServer(script);
  const socketIds: string[] = [];
  const messages: ServerMessage[] = [];
  const socket = new LiveSocket(
    server.socketUrl,
    {
      established: (id) => void socketIds.push(id),
      received: (message) => void messages.push(message),
    },
    timeouts,
  );
  return { ending: await socket.ended, socketIds, events: messages.map(({ event }) => event) };
}

describe("a socket ends", () => {
  test("when the server closes it, with the code and the reason", async () => {
    const lived = await life({
      opened(socket) {
        socket.establish();
        socket.close(4201, "Pong reply not received");
      },
    });
    expect(lived).toMatchObject({
      socketIds: ["1.1"],
      ending: { kind: "closed", code: 4201, reason: "Pong reply not received" },
    });
  });

  test("when the server never says who the client is", async () => {
    expect(await life({ opened() {} }, SHORT)).toMatchObject({
      socketIds: [],
      ending: { kind: "silent" },
    });
  });

  test("when a ping is not answered", async () => {
    const lived = await life({ opened: (socket) => socket.establish(0.05) }, SHORT);
    expect(lived).toMatchObject({ socketIds: ["1.1"], ending: { kind: "silent" } });
  });

  test("with the code of an error that comes before anything else", async () => {
    const lived = await life({
      opened: (socket) =>
        socket.send({
          event: "pusher:error",
          data: '{"code":4004,"message":"Account over quota"}',
        }),
    });
    expect(lived).toMatchObject({
      ending: { kind: "closed", code: 4004, reason: "Account over quota" },
    });
  });

  test("and skips what is no message, and pings and pongs", async () => {
    const lived = await life({
      opened(socket) {
        socket.establish();
        for (const message of [
          [],
          { event: 1 },
          { event: "pusher:ping" },
          { event: "pusher:pong" },
          { event: "e" },
        ]) {
          socket.send(message);
        }
        socket.close(1000);
      },
    });
    expect(lived).toMatchObject({ events: ["e"] });
  });

  test("when there is nobody", async () => {
    const socket = new LiveSocket("ws://127.0.0.1:1/app/k", { established() {}, received() {} });
    expect(await socket.ended).toMatchObject({
      kind: "unreachable",
      cause: { code: "ECONNREFUSED" },
    });
  });

  test("when it is left, whatever state it is in", async () => {
    await using server = new ScriptedServer({ opened() {} });
    const socket = new LiveSocket(server.socketUrl, { established() {}, received() {} });
    socket.leave();
    expect(await socket.ended).toEqual({ kind: "left" });
  });
});
