import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { testApp, withKey } from "../e2e/support/apps.ts";
import { nothingOwed } from "../e2e/support/nothing-owed.ts";
import { receiverFor, type Receiver } from "../e2e/support/receiver.ts";
import type { Ringmaster } from "../e2e/support/ringmaster.ts";
import { eventually, within } from "../e2e/support/wait.ts";
import { isInstalled } from "../support/redis-server.ts";
import { Balancer } from "./support/balancer.ts";
import { Population } from "./support/population.ts";
import type { Resident } from "./support/resident.ts";
import { Site } from "./support/site.ts";

const SOCKETS = 400;
/** Residents who go, and as many who come, while everything is replaced. */
const MOVING = 40;
const ROOMS = 5;
const SET = ["channels", "channels", "packager", "sender"];
const DRAIN = { noticeMs: 1_000, windowMs: 4_000, deadlineMs: 15_000 };
const NODE_TIMEOUT_MS = 3_000;

const skip = isInstalled("redis-server") ? false : "redis-server is not installed";

interface Rings {
  readonly receiver: Receiver;
  readonly population: Population;
  /** Those who were there from the beginning. */
  readonly crowd: readonly Resident[];
  readonly old: readonly Ringmaster[];
  /** Starts another of each; resolves when the balancer routes to them. */
  startNext(): Promise<readonly Ringmaster[]>;
  /** Some go when they are closed, others come now. */
  move(): void;
}

async function rings(t: TestContext): Promise<Rings> {
  const plain = testApp();
  const receiver = await receiverFor(t, plain);
  const app = withKey({ ...plain.entry, webhooks: [{ url: receiver.url() }] });
  const site = await Site.open(t, {
    apps: [app],
    drain: DRAIN,
    redis: { nodeTimeoutMs: NODE_TIMEOUT_MS },
  });
  const balancer = await Balancer.listen();
  t.after(() => balancer.close());
  const startSet = async (): Promise<readonly Ringmaster[]> => {
    const servers = await Promise.all(SET.map((roles) => site.start(roles)));
    for (const node of channelsOf(servers)) await balancer.add(node);
    return servers;
  };
  const old = await startSet();
  const population = new Population(app, balancer.port);
  t.after(() => population.leave());
  const plan = (number: number) => ({
    channels: [
      `own-${app.id}-${number}`,
      ...(number % 4 === 0 ? [`presence-room-${app.id}-${Math.floor(number / 4) % ROOMS}`] : []),
    ],
    userId: `user-${number}`,
  });
  const crowd = population.add(Array.from({ length: SOCKETS }, (_, number) => plan(number)));
  await population.there();
  return {
    receiver,
    population,
    crowd,
    old,
    startNext: startSet,
    move() {
      for (let number = 0; number < MOVING; number++)
        population.residents[(number * SOCKETS) / MOVING]?.leaveWhenClosed();
      population.add(Array.from({ length: MOVING }, (_, number) => plan(SOCKETS + number)));
    },
  };
}

function channelsOf(servers: readonly Ringmaster[]): readonly Ringmaster[] {
  return servers.filter((_, place) => SET[place] === "channels");
}

test(
  "A deploy of all rings at once: what is told afterwards is what is true",
  { skip },
  async (t) => {
    const { receiver, population, crowd, old, startNext, move } = await rings(t);
    await nothingOwed(old[0]!);
    const toldBefore = receiver.calls.all.length;
    const next = await startNext();
    move();
    for (const server of old) server.signal("SIGTERM");
    for (const server of old) {
      const { code } = await within("it ends", server.exited, 2 * DRAIN.deadlineMs);
      assert.equal(code, 0, JSON.stringify(server.log.all.slice(-3)));
    }
    await population.there();
    await nothingOwed(next[0]!);

    const truth = population.truth();
    for (const node of channelsOf(next)) await population.isTrueAt(node.port, truth);
    const events = population.isToldIn(receiver.calls.all, truth);
    assert.deepEqual(
      population.flapsIn(receiver.calls.all.slice(toldBefore), crowd).slice(0, 5),
      [],
    );
    const ids = new Set(receiver.calls.all.map(({ id }) => id));
    assert.equal(receiver.calls.all.length, ids.size, "no webhook came twice");
    const { returns, longestMs } = population.absences();
    t.diagnostic(
      `${events} events in ${ids.size} webhooks; ${returns} returns, the longest after ${longestMs} ms`,
    );
  },
);

test(
  "A grace period that is too short: what was killed in the middle of its drain is told by others",
  { skip },
  async (t) => {
    const { receiver, population, old, startNext, move } = await rings(t);
    const next = await startNext();
    move();
    const [killed] = channelsOf(old);
    const connections = async (): Promise<number> =>
      (await killed!.metrics()).sum("ringmaster_connections");
    for (const server of old) server.signal("SIGTERM");
    await killed!.logged("draining");
    const all = await connections();
    await eventually("half of its sockets are closed", async () => (await connections()) < all / 2);
    const left = await connections();
    for (const server of old) server.signal("SIGKILL");
    for (const server of old) await within("it is gone", server.exited);
    assert.ok(left > 0, "it was killed in the middle");
    await population.there();
    await eventually("those who are left clean up", async () => {
      const reaped = await Promise.all(
        channelsOf(next).map(async (node) =>
          (await node.metrics()).sum("ringmaster_nodes_reaped_total"),
        ),
      );
      return reaped.reduce((sum, count) => sum + count, 0) >= channelsOf(old).length;
    });
    await nothingOwed(next[0]!);

    const truth = population.truth();
    for (const node of channelsOf(next)) await population.isTrueAt(node.port, truth);
    const events = population.isToldIn(receiver.calls.all, truth);
    t.diagnostic(`${left} of ${all} sockets were cut off; ${events} events were told`);
  },
);
