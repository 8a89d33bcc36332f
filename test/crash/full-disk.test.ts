import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testApp } from "../e2e/support/apps.ts";
import { publish } from "../e2e/support/http-api.ts";
import { connectRaw } from "../e2e/support/raw-web-socket.ts";
import { Receiver } from "../e2e/support/receiver.ts";
import { Ringmaster } from "../e2e/support/ringmaster.ts";
import { eventually, pause } from "../e2e/support/wait.ts";
import { webhookConfig } from "../e2e/support/webhook-server.ts";
import { occupiedOf, occupy, OCCUPIED, to } from "../e2e/support/webhook-traffic.ts";
import { SmallDisk } from "./support/small-disk.ts";

const BEGAN = "the database cannot be written: everything waits until it can";
const ENDED = "the database can be written again";
/** Many times over what the log of the database has room for already. */
const CHANNELS = 3_000;
const disk = SmallDisk.mount();
const skip = disk === undefined ? "a small disk can be mounted by root alone" : false;
after(() => disk?.unmount());

function count(server: Ringmaster, msg: string): number {
  return server.log.all.filter((line) => line.msg === msg).length;
}

async function isFull(server: Ringmaster): Promise<boolean> {
  return (await server.metrics()).sum("ringmaster_database_ok") === 0;
}

describe("A full disk:", { skip }, () => {
  test("sockets are served, it is said once, and all that happened is told when there is room", async () => {
    assert.ok(disk !== undefined);
    const plain = testApp();
    const receiver = await Receiver.listen({ apps: [plain] });
    const app = to(receiver, plain, OCCUPIED);
    const dataDir = `${disk.folder}/first`;
    const server = await Ringmaster.start({ config: webhookConfig([app.entry]), dataDir });
    try {
      const client = await connectRaw(app, { port: server.port });
      occupy(client, "before-", 50);
      await occupiedOf(receiver, "before-", 50);
      disk.fill();
      occupy(client, "meanwhile-", CHANNELS);
      await client.socket.settled();
      await eventually("it is noticed", () => isFull(server));
      await client.subscribe("still-served");
      await publish(app, server.port, "still-served", "e");
      await client.socket.message("e", "still-served");
      assert.equal((await server.ops("/healthz")).status, 200);
      // Long enough for many tries.
      await pause(3_000);
      assert.deepEqual([count(server, BEGAN), count(server, ENDED)], [1, 0]);
      disk.free();
      await server.logged(ENDED);
      await receiver.event("channel_occupied", "still-served", 60_000);
      const told = (): number =>
        new Set(receiver.told((channel) => channel.startsWith("meanwhile-"))).size;
      await eventually("all is told", () => told() === CHANNELS, 60_000);
      assert.deepEqual([count(server, BEGAN), count(server, ENDED)], [1, 1]);
      client.socket.destroy();
      await server.stop({ expectedErrors: [BEGAN] });
    } finally {
      disk.free();
      await server.kill();
      await receiver.close();
    }
  });

  test("a server that is killed then, and started, is ready when there is room, and takes leave for the one before it", async () => {
    assert.ok(disk !== undefined);
    const plain = testApp({ batchWebhooks: true });
    const receiver = await Receiver.listen({ apps: [plain] });
    const app = to(receiver, plain, { events: ["channel_occupied", "channel_vacated"] });
    const options = {
      config: webhookConfig([app.entry]),
      dataDir: `${disk.folder}/second`,
    };
    let server = await Ringmaster.start(options);
    try {
      const client = await connectRaw(app, { port: server.port });
      occupy(client, "before-", CHANNELS);
      await occupiedOf(receiver, "before-", CHANNELS);
      disk.fill();
      occupy(client, "meanwhile-", CHANNELS);
      await eventually("it is noticed", () => isFull(server));
      await server.kill();
      server = Ringmaster.launch(options);
      await server.logged(BEGAN);
      assert.equal(count(server, "ready"), 0);
      disk.free();
      await server.logged("ready");
      // Each that was told of as occupied is told of as vacated, and nothing else is.
      const channelsOf = (name: string): string[] =>
        receiver.events.all
          .filter((event) => event.name === name)
          .map(({ channel }) => channel)
          .toSorted();
      await eventually(
        "every leaving is told",
        () => channelsOf("channel_vacated").length >= channelsOf("channel_occupied").length,
        60_000,
      );
      assert.deepEqual(channelsOf("channel_vacated"), channelsOf("channel_occupied"));
      assert.ok(channelsOf("channel_vacated").length >= CHANNELS);
      await server.stop({ expectedErrors: [BEGAN] });
    } finally {
      disk.free();
      await server.kill();
      await receiver.close();
    }
  });
});
