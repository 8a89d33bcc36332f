import { afterEach, beforeEach, expect, test } from "bun:test";
import { ConnectionPool } from "../../../src/sender/http/connection-pool.ts";
import { Peer, type Connection } from "../../../src/sender/http/connection.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { answering, Receiver } from "../../support/receiver.ts";

const REQUEST = "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
const LOOK_EVERY_MS = 2_000;

let clock: FakeClock;
let pool: ConnectionPool;
let receiver: Receiver;

beforeEach(async () => {
  clock = new FakeClock();
  pool = new ConnectionPool(clock, 3);
  receiver = await Receiver.listen(answering());
});

afterEach(async () => {
  pool.closeAll();
  await receiver[Symbol.asyncDispose]();
});

function peer(): Peer {
  return new Peer("127.0.0.1", receiver.port, undefined);
}

async function used(to: Peer): Promise<Connection> {
  const connection = pool.take(to) ?? pool.create(to);
  const { answer } = await connection.carry({ data: REQUEST, lengthBytes: REQUEST.length });
  expect(answer?.status).toBe(200);
  return connection;
}

/** Connections to it, each used and given back. */
async function keep(to: Peer, count = 1): Promise<readonly Connection[]> {
  const connections = await Promise.all(Array.from({ length: count }, () => used(to)));
  for (const connection of connections) pool.giveBack(connection);
  return connections;
}

test("an idle connection serves again, the one used last first, and nobody but its peer", async () => {
  const [a, b] = [peer(), peer()];
  const [first, second] = await keep(a, 2);
  expect(pool.take(b)).toBeUndefined();
  expect(pool.take(a)).toBe(second!);
  expect(pool.take(a)).toBe(first!);
  expect(pool.take(a)).toBeUndefined();
  expect(pool.size).toBe(0);
});

test("one is closed when it was idle for 30 s, or 2 s later, and others are not", async () => {
  const [a, b] = [peer(), peer()];
  await keep(a);
  clock.advance(20_000);
  await keep(b);
  clock.advance(9_999);
  expect(pool.size).toBe(2);
  clock.advance(1 + LOOK_EVERY_MS);
  expect(pool.size).toBe(1);
  await receiver.until(() => receiver.open === 1);
  expect(pool.take(a)).toBeUndefined();
  expect(pool.take(b)).toBeDefined();
});

test("one timer serves all, and none runs while there is none", async () => {
  expect(clock.pending).toBe(0);
  const [a, b] = [peer(), peer()];
  await keep(a, 2);
  await keep(b);
  expect(clock.pending).toBe(1);
  clock.advance(30_000 + LOOK_EVERY_MS);
  expect(pool.size).toBe(0);
  clock.advance(LOOK_EVERY_MS);
  expect(clock.pending).toBe(0);
  await keep(a);
  expect(clock.pending).toBe(1);
  pool.closeAll();
  expect(clock.pending).toBe(0);
});

test("beyond their number the one used longest ago is closed, of whatever peer, and never a busy one", async () => {
  const [a, b, c] = [peer(), peer(), peer()];
  await keep(a);
  const busy = await used(b);
  await keep(c, 3);
  expect(pool.size).toBe(3);
  await receiver.until(() => receiver.open === 4);
  expect(pool.take(a)).toBeUndefined();
  pool.giveBack(busy);
  expect(pool.size).toBe(3);
  expect(pool.take(b)).toBe(busy);
  await receiver.until(() => receiver.open === 3);
});

test("one that the other end closes is forgotten", async () => {
  const a = peer();
  await keep(a, 2);
  receiver.heard[0]!.socket.destroy();
  await receiver.until(() => receiver.open === 1);
  while (pool.size > 1) await new Promise((resolve) => setImmediate(resolve));
  expect(pool.take(a)?.isIdle).toBe(true);
  expect(pool.take(a)).toBeUndefined();
});

test("one that cannot serve again is not kept", async () => {
  const connection = await used(peer());
  connection.close();
  pool.giveBack(connection);
  expect([pool.size, clock.pending]).toEqual([0, 0]);
});
