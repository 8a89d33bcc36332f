import { describe, expect, test } from "bun:test";
import { drainSockets, type DrainProgress } from "../../../src/channels/drain.ts";
import { Ring, settled } from "../../support/ring.ts";

const WINDOW_MS = 10_000;

async function advance(ring: Ring, ms: number, stepMs = 50): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    ring.clock.advance(stepMs);
    await settled();
  }
}

describe("draining", () => {
  test("closes all sockets with 4200, evenly over the window, oldest first", async () => {
    const ring = new Ring();
    const clients = await ring.connectMany(1_000);
    const progress: DrainProgress[] = [];
    const drained = drainSockets(ring.node, WINDOW_MS, (step) => progress.push(step));
    for (let tenth = 1; tenth < 10; tenth++) {
      await advance(ring, WINDOW_MS / 10);
      const closed = clients.filter((client) => client.closed !== undefined);
      expect(Math.abs(closed.length - tenth * 100)).toBeLessThanOrEqual(5);
      expect(clients.slice(0, closed.length)).toEqual(closed);
    }
    await advance(ring, WINDOW_MS / 10 + 50);
    await drained;
    for (const { closed } of clients) {
      expect(closed).toEqual({ code: 4200, reason: "Please reconnect immediately" });
    }
    expect(progress.at(-1)).toEqual({ socketsLeft: 0, windowLeftMs: 0 });
  });

  test("closes a handful as evenly as a thousand, also when the process is slow", async () => {
    const ring = new Ring();
    const clients = await ring.connectMany(20);
    const drained = drainSockets(ring.node, WINDOW_MS, () => undefined);
    for (let second = 1; second < 10; second++) {
      await advance(ring, 1_000, 125);
      const closed = clients.filter((client) => client.closed !== undefined);
      expect(Math.abs(closed.length - second * 2)).toBeLessThanOrEqual(1);
    }
    await advance(ring, 1_050);
    await drained;
  });

  test("serves publishes and sockets until their turn comes, and those that come meanwhile too", async () => {
    const ring = new Ring();
    const [first] = await ring.connectMany(1_000);
    const drained = drainSockets(ring.node, WINDOW_MS, () => undefined);
    await advance(ring, 1_000);
    expect(first!.closed).toBeDefined();
    const late = await ring.connect();
    late.subscribe("c");
    await settled();
    await ring.publish("c");
    expect(late.events).toContain("e");
    await advance(ring, WINDOW_MS + 50);
    await drained;
    expect(late.closed?.code).toBe(4200);
  });

  test("cuts off those that do not answer the close, a second after the window", async () => {
    const ring = new Ring();
    const deaf = await ring.connect({ lingering: true });
    deaf.socket.terminate = () => deaf.socket.gone();
    const drained = drainSockets(ring.node, WINDOW_MS, () => undefined);
    await advance(ring, WINDOW_MS + 900);
    expect(deaf.closed?.code).toBe(4200);
    expect(ring.node.sessions.size).toBe(1);
    await advance(ring, 300);
    await drained;
    expect(ring.node.sessions.size).toBe(0);
  });

  test("with no window closes all at once, and with no sockets is done at once", async () => {
    const ring = new Ring();
    const clients = await ring.connectMany(50);
    const drained = drainSockets(ring.node, 0, () => undefined);
    for (const { closed } of clients) expect(closed?.code).toBe(4200);
    await advance(ring, 50);
    await drained;
    await drainSockets(ring.node, WINDOW_MS, () => undefined);
  });

  test("goes on when sockets leave by themselves", async () => {
    const ring = new Ring();
    const clients = await ring.connectMany(100);
    const drained = drainSockets(ring.node, WINDOW_MS, () => undefined);
    for (let i = 0; i < 100; i += 2) clients[i]!.drop();
    await advance(ring, WINDOW_MS + 50);
    await drained;
    expect(ring.node.sessions.size).toBe(0);
  });
});
