import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { testApp } from "../e2e/support/apps.ts";
import { callApi } from "../e2e/support/http-api.ts";
import { connectRaw, type RawClient } from "../e2e/support/raw-web-socket.ts";
import { Ringmaster } from "../e2e/support/ringmaster.ts";
import { eventually, pause } from "../e2e/support/wait.ts";

/** RINGMASTER_SOAK_SECONDS lengthens it: the longer, the smaller the leak that shows. */
const SOAK_SECONDS = Number(process.env["RINGMASTER_SOAK_SECONDS"] ?? 90);
const CONNECTS_PER_SECOND = 300;
const PUBLISHES_PER_SECOND = 100;
const CHANNELS = 300;
const USERS = 200;
/** The caches and compilers of the runtime fill up during the first part, which therefore says nothing. */
const WARM_UP = 1 / 3;
/** Cache channels are used in the beginning only, so that their events are swept before the end. */
const CACHE_SECONDS = 15;
const MEGABYTE = 1_048_576;

const app = testApp({
  clientEvents: true,
  subscriptionCount: true,
  watchlist: true,
  limits: { cacheTtlMs: 1_000, presenceMembers: 50 },
});
const server = await Ringmaster.start({ config: { apps: [app.entry] } });
after(() => server.stop());
const { port } = server;

const GAUGES = ["ringmaster_connections", "ringmaster_channels", "ringmaster_subscriptions"];

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) / 1_024;
}

interface Tally {
  connects: number;
  failures: string[];
  publishes: number;
}

/** One client's life: comes, does some of what clients do, and goes in one of the ways in which clients go. */
async function visit(tally: Tally, cacheIsUsed: boolean): Promise<void> {
  const client: RawClient = await connectRaw(app, { port });
  tally.connects++;
  const user = `user-${below(USERS)}`;
  if (below(3) === 0)
    client.askToSignIn({ id: user, watchlist: [`user-${below(USERS)}`, `user-${below(USERS)}`] });
  for (let count = below(4); count > 0; count--)
    client.askToSubscribe(`channel-${below(CHANNELS)}`);
  if (below(2) === 0)
    client.askToSubscribe(`presence-${below(20)}`, { user_id: user, user_info: { name: user } });
  const own = `private-${below(CHANNELS)}`;
  client.askToSubscribe(own);
  client.socket.send({ event: "client-hello", channel: own, data: { from: user } });
  if (cacheIsUsed) client.askToSubscribe(`cache-${below(50)}`);
  await pause(below(1_500));
  if (below(2) === 0) client.unsubscribe(own);
  if (below(4) === 0) client.socket.destroy();
  else client.socket.close();
  await client.socket.closed;
}

async function publish(tally: Tally, cacheIsUsed: boolean): Promise<void> {
  const kinds = ["channel-", "private-", ...(cacheIsUsed ? ["cache-"] : [])];
  const channel = `${kinds[below(kinds.length)]}${below(CHANNELS)}`;
  const body = { name: "e", channel, data: "x".repeat(below(1_000)), info: "subscription_count" };
  const { status } = await callApi(app, port, { path: "/events", body });
  if (status !== 200) throw new Error(`a publish was answered ${status}`);
  tally.publishes++;
  if (below(50) === 0) {
    const path = `/users/user-${below(USERS)}/terminate_connections`;
    await callApi(app, port, { path, body: {} });
  }
}

/** Starts so many a second until the time is over, and waits for the last. */
async function atRate(
  perSecond: number,
  seconds: number,
  work: (elapsedSeconds: number) => Promise<void>,
): Promise<void> {
  const startedAt = performance.now();
  const running = new Set<Promise<void>>();
  for (let started = 0; ;) {
    const elapsed = (performance.now() - startedAt) / 1_000;
    if (elapsed >= seconds) break;
    for (; started < elapsed * perSecond; started++) {
      const one = work(elapsed).finally(() => running.delete(one));
      running.add(one);
    }
    await pause(5);
  }
  await Promise.all(running);
}

test(`Soak: after ${SOAK_SECONDS} s of clients that come and go, all gauges and the memory are where they were`, async (t) => {
  const idle = await server.metrics();
  for (const name of GAUGES) assert.equal(idle.sum(name), 0);
  const idleDescriptors = idle.sum("process_open_fds");

  const tally: Tally = { connects: 0, failures: [], publishes: 0 };
  const caught = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => void tally.failures.push(String(error)));
  const samples: { readonly atSeconds: number; readonly rss: number }[] = [];
  let most = 0;
  const startedAt = performance.now();
  await Promise.all([
    atRate(CONNECTS_PER_SECOND, SOAK_SECONDS, (elapsed) =>
      caught(visit(tally, elapsed < CACHE_SECONDS)),
    ),
    atRate(PUBLISHES_PER_SECOND, SOAK_SECONDS, (elapsed) =>
      caught(publish(tally, elapsed < CACHE_SECONDS)),
    ),
    atRate(4, SOAK_SECONDS, async (atSeconds) => {
      const scrape = await server.metrics();
      samples.push({ atSeconds, rss: scrape.sum("process_resident_memory_bytes") / MEGABYTE });
      most = Math.max(most, scrape.sum("ringmaster_connections"));
    }),
  ]);
  const seconds = (performance.now() - startedAt) / 1_000;
  assert.deepEqual(tally.failures.slice(0, 5), []);

  await eventually(
    "every gauge is at zero and every descriptor given back",
    async () => {
      const now = await server.metrics();
      return (
        GAUGES.every((name) => now.sum(name) === 0) &&
        now.sum("ringmaster_cache_bytes") === 0 &&
        // The API's kept-alive connections may still be there.
        now.sum("process_open_fds") <= idleDescriptors + 10
      );
    },
    90_000,
  );
  const end = await server.metrics();
  assert.equal(end.sum("ringmaster_connections_opened_total"), tally.connects);
  assert.equal(end.sum("ringmaster_connections_closed_total"), tally.connects);

  const warm = samples.filter(({ atSeconds }) => atSeconds >= SOAK_SECONDS * WARM_UP);
  const half = Math.floor(warm.length / 2);
  const earlier = median(warm.slice(0, half).map(({ rss }) => rss));
  const later = median(warm.slice(half).map(({ rss }) => rss));
  // Each scrape leaves garbage behind, which the runtime collects when it likes: so the system is asked, not the server.
  const settled = await eventually(
    "the memory is given back",
    () => {
      const megabytes = residentMegabytes(server.pid);
      return megabytes < later + 5 && megabytes;
    },
    60_000,
  );
  const connectsBetween = tally.connects * ((1 - WARM_UP) / 2);
  const show = (megabytes: number): string => `${megabytes.toFixed(1)} MB`;
  t.diagnostic(
    `${tally.connects} connects (${(tally.connects / seconds).toFixed(0)}/s, at most ${most} at once) and ` +
      `${tally.publishes} publishes; RSS idle ${show(idle.sum("process_resident_memory_bytes") / MEGABYTE)}, ` +
      `after the warm-up ${show(earlier)}, in the second half of the rest ${show(later)}, at the end ${show(settled)}`,
  );
  assert.ok(
    tally.connects >= SOAK_SECONDS * CONNECTS_PER_SECOND * 0.5,
    "the machine was too busy to say anything",
  );
  // A kilobyte left behind by each connection would show.
  assert.ok(
    later - earlier < connectsBetween / 1_024,
    `${show(later - earlier)} more after ${connectsBetween} connects`,
  );
});
