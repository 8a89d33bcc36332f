import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { FrameMessage } from "../../src/channels/ports/bus.ts";
import { RedisBus } from "../../src/stores/redis/channels/bus.ts";
import { Keys } from "../../src/stores/redis/keys.ts";
import { describeBus } from "../conformance/bus.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect } from "./support/connect.ts";
import { MarkedConnection } from "./support/marked-connection.ts";
import { onEachStore } from "./support/on-each-store.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());

let made = 0;

onEachStore((kind, settings) =>
  describeBus(`RedisBus on ${kind}`, async (count) => {
    const keys = new Keys(`bus${++made}`, 4);
    const connections = await Promise.all(
      Array.from(
        { length: count },
        async () => new MarkedConnection(await connect(settings()), keys),
      ),
    );
    return {
      nodes: connections.map((connection) => new RedisBus(connection, keys)),
      async settle() {
        for (const connection of connections) await connection.allHeard();
      },
      async close() {
        for (const connection of connections) await connection.close();
      },
    };
  }),
);

describe("RedisBus", () => {
  async function start(): Promise<{
    readonly bus: RedisBus;
    readonly connection: Awaited<ReturnType<typeof connect>>;
    readonly keys: Keys;
    readonly heard: string[];
    readonly missed: string[];
    [Symbol.asyncDispose](): Promise<void>;
  }> {
    const keys = new Keys(`bus${++made}`, 4);
    const connection = await connect(redisSettings(server.port));
    const bus = new RedisBus(connection, keys);
    const heard: string[] = [];
    const missed: string[] = [];
    bus.receive((message) => heard.push(message.kind === "frame" ? message.frame : "terminate"));
    bus.onMissed((appId, channel) => missed.push(`${appId}/${channel}`));
    return {
      bus,
      connection,
      keys,
      heard,
      missed,
      async [Symbol.asyncDispose]() {
        await bus.close();
        await connection.close();
      },
    };
  }

  test("tells of the channels that it was cut off from, when it hears them again, and of no other", async () => {
    await using node = await start();
    const { bus, heard, missed } = node;
    await bus.subscribe("1", "a");
    await bus.subscribe("1", "b/c");
    await bus.subscribe("1", "left");
    bus.unsubscribe("1", "left");
    for (let round = 1; round <= 3; round++) {
      missed.length = 0;
      await server.command("CLIENT", "KILL", "TYPE", "pubsub");
      bus.unsubscribe("1", "anew");
      await bus.subscribe("1", "anew");
      await until(() => missed.length >= 2);
      expect(missed.toSorted()).toEqual(["1/a", "1/b/c"]);
      await bus.publish([frame("a", `a${round}`), frame("b/c", `c${round}`)]);
      await until(() => heard.length === 2 * round);
      expect(bus.gaps).toBe(2 * round);
      bus.unsubscribe("1", "anew");
    }
    expect(heard.toSorted()).toEqual(["a1", "a2", "a3", "c1", "c2", "c3"]);
  });

  test("passes over what a newer version publishes", async () => {
    await using node = await start();
    const { bus, connection, keys, heard } = node;
    await bus.subscribe("1", "c");
    const name = keys.busChannel("1", "c");
    for (const text of ["", "f", "x9\n{}", "fz\t\n{}"]) await connection.publish(name, text);
    await bus.publish([frame("c", "known")]);
    await until(() => heard.length > 0);
    expect(heard).toEqual(["known"]);
  });

  test("rejects a publish that may not have been handed over, however many messages it has", async () => {
    const own = await RedisServer.start();
    const connection = await connect(redisSettings(own.port));
    const bus = new RedisBus(connection, new Keys("bus", 4));
    try {
      await own.kill();
      const hundred = Array.from({ length: 100 }, (_, i) => frame(`c${i}`, "lost"));
      expect(bus.publish(hundred)).rejects.toMatchObject({ name: "RedisFault" });
      await until(() => !connection.isWell);
      expect(bus.publish([frame("c", "lost")])).rejects.toMatchObject({ kind: "unreachable" });
    } finally {
      await bus.close();
      await connection.close();
      await own.close();
    }
  });

  function frame(channel: string, text: string): FrameMessage {
    return {
      kind: "frame",
      appId: "1",
      channel,
      source: "api",
      frame: text,
      exceptSocketId: undefined,
    };
  }

  async function until(isSo: () => boolean): Promise<void> {
    for (let waits = 0; !isSo(); waits++) {
      if (waits === 2_000) throw new Error("It did not come true.");
      await Bun.sleep(5);
    }
  }
});
