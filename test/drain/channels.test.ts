import assert from "node:assert/strict";
import { test } from "node:test";
import { testApp, withKey } from "../e2e/support/apps.ts";
import { Member } from "../e2e/support/member.ts";
import { nothingOwed } from "../e2e/support/nothing-owed.ts";
import { connectRaw } from "../e2e/support/raw-web-socket.ts";
import { receiverFor } from "../e2e/support/receiver.ts";
import { eventually } from "../e2e/support/wait.ts";
import { isInstalled } from "../support/redis-server.ts";
import { Balancer } from "./support/balancer.ts";
import { hearingFaults } from "./support/hearing.ts";
import { Population } from "./support/population.ts";
import { Publisher, TICK } from "./support/publisher.ts";
import { mostInOneSecond, mostReconnects, Stalls } from "./support/rates.ts";
import { Site } from "./support/site.ts";

const NODES = 3;
const SOCKETS = 1_500;
const PUSHER_JS = 20;
/** Residents who go when they are closed, and others who come, while a node is drained. */
const MOVING = 30;
const WIRES = 10;
const ROOMS = 5;
const DRAIN = { noticeMs: 1_000, windowMs: 8_000, deadlineMs: 20_000 };

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

test(
  "A deploy of the channels ring under 1,500 sockets and 100 publishes a second: nobody notices",
  { skip },
  async (t) => {
    const plain = testApp();
    const receiver = await receiverFor(t, plain);
    const app = withKey({ ...plain.entry, webhooks: [{ url: receiver.url() }] });
    const site = await Site.open(t, { apps: [app], drain: DRAIN });
    const [others, [witnessed], first] = await Promise.all([
      Promise.all([site.start("packager"), ...(await site.startMany("sender", 2))]),
      site.startMany("channels", 1),
      site.startMany("channels", NODES),
    ]);
    const balancer = await Balancer.listen();
    t.after(() => balancer.close());
    for (const node of first) await balancer.add(node);

    const named = (name: string): string => `${name}-${app.id}-`;
    const shared = `${named("shared")}0`;
    const wires = Array.from({ length: WIRES }, (_, number) => `${named("wire")}${number}`);
    const directs = first.map((_, number) => `${named("direct")}${number}`);
    const broadcasts = [shared, ...wires, ...directs];

    // On a node that is never drained, and that nobody else comes to.
    const witness = await connectRaw(app, { port: witnessed?.port ?? 0 });
    t.after(() => witness.socket.destroy());
    for (const channel of broadcasts) await witness.subscribe(channel);
    const told = (channel: string): number[] =>
      witness.socket.messages.all
        .filter((message) => message.event === TICK && message.channel === channel)
        .map(({ data }) => Number(data));

    const population = new Population(app, balancer.port);
    t.after(() => population.leave());
    const plan = (number: number) => ({
      channels: [
        `${named("own")}${number}`,
        shared,
        ...(number % 10 === 0 ? [wires[(number / 10) % WIRES]!, ...directs] : []),
        ...(number % 10 === 5
          ? [`${named("presence-room")}${Math.floor(number / 10) % ROOMS}`]
          : []),
      ],
      userId: `user-${number}`,
    });
    const crowd = population.add(Array.from({ length: SOCKETS }, (_, number) => plan(number)));
    const members = Array.from({ length: PUSHER_JS }, (_, number) => {
      const member = new Member(app, balancer.port, `pusher-js-${number}`);
      member.client.pusher.subscribe(wires[number % WIRES]!);
      return member;
    });
    t.after(() => {
      for (const member of members) member.leave();
    });
    await population.there();
    for (const member of members)
      await eventually("pusher-js is on its channel", () => member.seen());
    await nothingOwed(others[0]!);
    const toldBefore = receiver.calls.all.length;

    const wirePublishers = wires.map((channel, number) =>
      Publisher.start(t, {
        app,
        port: balancer.port,
        channel,
        everyMs: 100,
        by: number % 2 === 0 ? "library" : "hand",
      }),
    );
    const sharing = Publisher.start(t, {
      app,
      port: balancer.port,
      channel: shared,
      everyMs: 500,
      by: "hand",
    });
    let longestStallMs = 0;
    const publishers = [...wirePublishers, sharing];

    for (const [round, node] of first.entries()) {
      const next = await site.start("channels");
      await balancer.add(next);
      for (let i = 0; i < MOVING; i++) crowd[(i * SOCKETS) / MOVING + round]?.leaveWhenClosed();
      const stalls = new Stalls();
      const directly = Publisher.start(t, {
        app,
        port: node.port,
        channel: directs[round]!,
        everyMs: 20,
        by: "hand",
      });
      const fromMs = performance.now();
      const stopping = site.stop(node);
      const { sockets } = await node.logged("draining");
      const drainingAtMs = performance.now();
      const before = [...population.residents];
      population.add(Array.from({ length: MOVING }, (_, i) => plan(SOCKETS + round * MOVING + i)));
      await stopping;
      await directly.stop();
      await population.there();
      const dials = before.flatMap(({ dialledAtMs }) =>
        dialledAtMs.filter((atMs) => atMs > fromMs),
      );
      const most = mostInOneSecond(dials);
      longestStallMs = Math.max(longestStallMs, stalls.longestMs);
      const allowed = mostReconnects(Number(sockets), DRAIN.windowMs, stalls.longestMs);
      stalls.close();
      t.diagnostic(
        `node ${round}: ${Number(sockets)} sockets, at most ${most} reconnects in a second of ${allowed.toFixed(1)} allowed ` +
          `(stalled ${stalls.longestMs.toFixed(0)} ms), ${directly.accepted.length} publishes to it accepted`,
      );
      assert.ok(most <= allowed, `${most} reconnects in one second, ${allowed} at most`);
      assert.ok(
        dials.length >= Number(sockets) * 0.8,
        `only ${dials.length} came back of ${Number(sockets)}`,
      );
      const served = directly.publishes.findLast(({ isAccepted }) => isAccepted)?.answeredAtMs ?? 0;
      assert.ok(
        served - drainingAtMs > DRAIN.windowMs * 0.8,
        "it took publishes to the end of its window",
      );
      publishers.push(directly);
    }
    await Promise.all(publishers.map((publisher) => publisher.stop()));

    for (const publisher of publishers) {
      const { channel, accepted } = publisher;
      await eventually("the last was heard", () => told(channel).includes(accepted.at(-1) ?? -1));
      const heard = told(channel);
      assert.deepEqual(
        heard.filter((number) => accepted.includes(number)),
        accepted,
        channel,
      );
    }
    const ends = population.staying.flatMap(({ lives }) => lives.flatMap(({ end }) => end ?? []));
    assert.deepEqual([...new Set(ends.map(({ code }) => code))], [4200]);
    for (const { channel, publishes } of publishers) {
      const order = told(channel);
      const faults = population.residents
        .filter(({ channels }) => channels.includes(channel))
        .flatMap(({ lives }) =>
          lives.flatMap((life) => hearingFaults(life, channel, order, publishes, longestStallMs)),
        );
      assert.deepEqual(faults.slice(0, 5), []);
    }

    await Promise.all(
      population.residents.filter(({ hasLeft }) => hasLeft).map((resident) => resident.leave()),
    );
    await nothingOwed(others[0]!);
    const room = members[0]!.channel;
    const users = members.map(({ userId }) => userId);
    const witnessedBy = new Map(broadcasts.map((channel) => [channel, new Set<string>()]));
    const truth = population.truth(new Map([...witnessedBy, [room, new Set(users)]]));
    population.isToldIn(receiver.calls.all, truth);
    assert.deepEqual(
      population.flapsIn(receiver.calls.all.slice(toldBefore), crowd).slice(0, 5),
      [],
    );
    const { returns, late, longestMs } = population.absences();
    // Of those the webhooks may tell. Were there many of them, that they tell of nobody else would say little.
    assert.ok(late <= returns / 10, `${late} of ${returns} came back late`);
    await population.isTrueAt(witnessed?.port ?? 0, truth);
    for (const member of members) {
      assert.deepEqual(member.seen(), users.toSorted());
      const connected = member.client.states.all.filter((state) => state === "connected").length;
      assert.ok(connected <= 1 + NODES, `pusher-js connected ${connected} times`);
    }
    // Connections that are kept were told to end before the node did.
    for (const { channel, faults } of [...wirePublishers, sharing])
      assert.deepEqual(faults, [], `publishes to ${channel} through the balancer`);
    t.diagnostic(`${returns} returns, the longest after ${longestMs} ms`);
  },
);
