import { describe, expect, test } from "bun:test";
import { testApp } from "../../support/apps.ts";
import { NOTHING_LEFT, Ring, TEST_SETTINGS, settled } from "../../support/ring.ts";

const LIMIT = 10_000;
const settings = { websocket: { ...TEST_SETTINGS.websocket, sendQueueBytes: LIMIT } };
const quiet = testApp({ subscriptionCount: false });

async function started() {
  const ring = new Ring({ apps: [quiet], settings });
  const [slow, fast] = await ring.connectMany(2);
  slow!.subscribe("c");
  fast!.subscribe("c");
  await settled();
  slow!.take();
  fast!.take();
  slow!.socket.held = 0;
  slow!.socket.queueLimit = 2 * LIMIT;
  return { ring, slow: slow!, fast: fast!, counters: ring.node.tenants.get("3")!.counters };
}

describe("a client that does not read", () => {
  test("is cut off when its queue is full, and counted; others notice nothing", async () => {
    const { ring, slow, fast, counters } = await started();
    for (let i = 0; i < 11; i++) await ring.publish("c", "e", "x".repeat(1_000));
    ring.clock.advance(200);
    expect(slow.socket.terminated).toBe(true);
    expect(fast.frames).toHaveLength(11);
    expect(fast.closed).toBeUndefined();
    expect(counters.slowReadersClosed).toBe(1);
    expect(counters.connectionsClosed.get(1006)).toBe(1);
    await settled();
    expect(await ring.roster.channels("3", "")).toMatchObject([{ subscribers: 1 }]);
    fast.leave();
    await settled();
    expect(ring.leftovers()).toEqual(NOTHING_LEFT);
  });

  test("is left in peace while its queue has room, and looked at no more when it has read", async () => {
    const { ring, slow, counters } = await started();
    await ring.publish("c", "e", "x".repeat(1_000));
    ring.clock.advance(10_000);
    expect(slow.socket.isOpen).toBe(true);
    slow.socket.held = undefined;
    ring.gateway.drained(slow.session);
    ring.clock.advance(400);
    const pending = ring.clock.pending;
    ring.clock.advance(400);
    expect(ring.clock.pending).toBe(pending);
    slow.drop();
    expect(counters.slowReadersClosed).toBe(0);
  });

  test("is cut off at once when a frame of its own is dropped: what followed would have a hole before it", async () => {
    const { slow, counters } = await started();
    slow.socket.held = 2 * LIMIT;
    slow.send({ event: "pusher:ping", data: {} });
    expect(slow.socket.terminated).toBe(true);
    expect(slow.raw).toEqual([]);
    expect(counters.slowReadersClosed).toBe(1);
  });

  test("and goes by itself, its queue still full, is counted as slow", async () => {
    const { ring, slow, counters } = await started();
    await ring.publish("c", "e", "x".repeat(1_000));
    ring.clock.advance(200);
    slow.drop();
    expect(counters.slowReadersClosed).toBe(1);
  });

  test("costs one look at all sockets in each interval, however much is published", async () => {
    const { ring, slow } = await started();
    const before = ring.clock.pending;
    for (let i = 0; i < 5; i++) await ring.publish("c");
    expect(ring.clock.pending).toBe(before + 1);
    expect(slow.socket.isOpen).toBe(true);
  });
});
