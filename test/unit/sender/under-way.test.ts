import { beforeEach, expect, test } from "bun:test";
import { UnderWay } from "../../../src/sender/under-way.ts";
import { FakeClock } from "../../support/fake-clock.ts";

let clock: FakeClock;
let underWay: UnderWay;

beforeEach(() => {
  clock = new FakeClock();
  underWay = new UnderWay(clock);
});

test("a request is broken off at its deadline, or 50 ms later, and never before", () => {
  for (const timeoutMs of [1, 49, 50, 51, 100, 3_999]) {
    const exchange = underWay.begin(timeoutMs);
    clock.advance(timeoutMs - 1);
    expect(exchange.brokenOff).toBeUndefined();
    expect(exchange.signal.aborted).toBe(false);
    clock.advance(51);
    expect(exchange.brokenOff).toBe("timeout");
    expect(exchange.signal.aborted).toBe(true);
    underWay.end(exchange);
  }
});

test("each has its own deadline, whichever began first", () => {
  const long = underWay.begin(1_000);
  const short = underWay.begin(100);
  clock.advance(150);
  expect([long.brokenOff, short.brokenOff]).toEqual([undefined, "timeout"]);
  clock.advance(900);
  expect(long.brokenOff).toBe("timeout");
});

test("one timer serves all, and none runs while nothing is under way", () => {
  expect(clock.pending).toBe(0);
  const exchanges = Array.from({ length: 100 }, () => underWay.begin(1_000));
  expect(clock.pending).toBe(1);
  for (const exchange of exchanges) underWay.end(exchange);
  clock.advance(50);
  expect(clock.pending).toBe(0);
  const next = underWay.begin(1_000);
  expect(clock.pending).toBe(1);
  clock.advance(1_050);
  expect(next.brokenOff).toBe("timeout");
  expect(exchanges.every(({ brokenOff }) => brokenOff === undefined)).toBe(true);
});

test("what ended is not broken off, and what is broken off stays so for its first reason", () => {
  const ended = underWay.begin(1_000);
  const late = underWay.begin(100);
  underWay.end(ended);
  clock.advance(150);
  underWay.breakAllOff();
  expect(ended.brokenOff).toBeUndefined();
  expect(late.brokenOff).toBe("timeout");
  const fresh = underWay.begin(1_000);
  underWay.breakAllOff();
  expect(fresh.brokenOff).toBe("shutdown");
});
