import assert from "node:assert/strict";
import { test } from "node:test";
import { testApp } from "../e2e/support/apps.ts";
import { PusherClient } from "../e2e/support/pusher-client.ts";
import { isInstalled } from "../support/redis-server.ts";
import { hearingFaults } from "./support/hearing.ts";
import { Population } from "./support/population.ts";
import { Publisher } from "./support/publisher.ts";
import { Stalls } from "./support/rates.ts";
import { Site } from "./support/site.ts";

const SOCKETS = 200;
const PUSHER_JS = 5;
const WINDOW_MS = 5_000;
const DRAIN = { noticeMs: 500, windowMs: WINDOW_MS, deadlineMs: 15_000 };

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

test(
  "A drain of the only node there is: clients are served to its end and do not spin",
  { skip },
  async (t) => {
    const app = testApp();
    const site = await Site.open(t, { apps: [app], drain: DRAIN });
    const node = await site.start("channels");
    const population = new Population(app, node.port);
    t.after(() => population.leave());
    const news = `news-${app.id}-0`;
    population.add(
      Array.from({ length: SOCKETS }, (_, number) => ({
        channels: [`own-${app.id}-${number}`, news],
      })),
    );
    const clients = Array.from(
      { length: PUSHER_JS },
      () => new PusherClient(app, { port: node.port }),
    );
    t.after(() => {
      for (const { pusher } of clients) pusher.disconnect();
    });
    for (const client of clients) await client.subscribe(news);
    await population.there();

    const publisher = Publisher.start(t, {
      app,
      port: node.port,
      channel: news,
      everyMs: 20,
      by: "hand",
    });
    const stalls = new Stalls();
    const stopping = site.stop(node);
    await node.logged("draining");
    const drainingAtMs = performance.now();
    await stopping;
    await publisher.stop();
    const stallMs = stalls.longestMs;
    stalls.close();

    const lives = population.residents.flatMap((resident) => resident.lives);
    const connects = population.residents.map((resident) => resident.lives.length);
    t.diagnostic(
      `${lives.length - SOCKETS} reconnects of ${SOCKETS} sockets, at most ${Math.max(...connects) - 1} each; ` +
        `${publisher.accepted.length} publishes`,
    );
    assert.ok(lives.length > SOCKETS * 1.8, "whoever was closed came back to the same node");
    assert.ok(Math.max(...connects) <= 3, "nobody came back more than twice");
    for (const { states } of clients) {
      const connected = states.all.filter((state) => state === "connected").length;
      assert.ok(connected <= 3, `pusher-js connected ${connected} times`);
    }
    assert.deepEqual([...new Set(lives.map(({ end }) => end?.code))], [4200]);

    const order = publisher.accepted;
    const until = publisher.publishes.findLast(({ isAccepted }) => isAccepted)?.answeredAtMs ?? 0;
    assert.ok(
      until - drainingAtMs > WINDOW_MS * 0.8,
      "publishes were served to the end of the window",
    );
    const faults = lives.flatMap((life) =>
      hearingFaults(life, news, order, publisher.publishes, stallMs),
    );
    assert.deepEqual(faults.slice(0, 5), []);
  },
);
