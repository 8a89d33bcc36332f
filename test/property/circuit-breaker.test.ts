import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CircuitBreaker } from "../../src/sender/circuit-breaker.ts";

type End = "success" | "answer" | "silence" | "nothing";

type Step =
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "begin" }
  | { readonly kind: "end"; readonly which: number; readonly how: End };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(20_000) }),
  fc.record({ kind: fc.constant("begin" as const) }),
  fc.record({
    kind: fc.constant("end" as const),
    which: fc.nat(),
    how: fc.constantFrom<End>("success", "answer", "silence", "silence", "answer", "nothing"),
  }),
);

/** The rule, told once more: by the list of what was heard. */
class Oracle {
  heard: End[] = [];
  openUntilMs: number | undefined;
  isProbing = false;
  #timesOpened = 0;

  room(nowMs: number): number {
    if (this.openUntilMs === undefined) return Infinity;
    return !this.isProbing && nowMs >= this.openUntilMs ? 1 : 0;
  }

  end(isProbe: boolean, how: End, nowMs: number, random: number): void {
    if (isProbe) this.isProbing = false;
    else if (this.openUntilMs !== undefined) return;
    if (how === "nothing") return;
    if (how === "success") {
      this.heard = [];
      this.openUntilMs = undefined;
      this.#timesOpened = 0;
      return;
    }
    this.heard.push(how);
    const isSilent =
      this.heard.length >= 3 && this.heard.slice(-3).every((one) => one === "silence");
    if (!isProbe && this.heard.length < 10 && !isSilent) return;
    const openMs = [5_000, 10_000, 20_000, 40_000][this.#timesOpened++] ?? 60_000;
    this.openUntilMs = nowMs + Math.round(openMs * (1 + 0.2 * random));
  }
}

test("lets through what a list of all that was heard would", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 300, size: "max" }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (steps, random) => {
        const breaker = new CircuitBreaker();
        const oracle = new Oracle();
        const underWay: boolean[] = [];
        let nowMs = 0;
        for (const one of steps) {
          if (one.kind === "wait") nowMs += one.ms;
          else if (one.kind === "begin") {
            if (breaker.room(nowMs) === 0) continue;
            const isProbe = breaker.begin();
            expect(isProbe).toBe(oracle.openUntilMs !== undefined);
            if (isProbe) oracle.isProbing = true;
            underWay.push(isProbe);
          } else if (underWay.length > 0) {
            const [isProbe = false] = underWay.splice(one.which % underWay.length, 1);
            oracle.end(isProbe, one.how, nowMs, random);
            if (one.how === "success") breaker.succeeded(isProbe);
            else if (one.how === "nothing") breaker.toldNothing(isProbe);
            else breaker.failed(isProbe, one.how === "silence", nowMs, random);
          }
          expect(breaker.room(nowMs)).toBe(oracle.room(nowMs));
          expect(breaker.failures).toBe(oracle.heard.length);
          expect(underWay.filter(Boolean).length).toBeLessThanOrEqual(1);
          expect(breaker.state(nowMs) === "closed").toBe(oracle.openUntilMs === undefined);
          expect(breaker.openSinceMs === undefined).toBe(oracle.openUntilMs === undefined);
        }
      },
    ),
    { numRuns: 300 },
  );
});

describe("a breaker", () => {
  function opened(nowMs: number): CircuitBreaker {
    const breaker = new CircuitBreaker();
    for (let i = 0; i < 3; i++) breaker.failed(breaker.begin(), true, nowMs, 0);
    return breaker;
  }

  test("opens with the third silence in a row, but not if an answer came in between", () => {
    const breaker = new CircuitBreaker();
    for (const isSilent of [true, true, false, true, true])
      expect(breaker.failed(breaker.begin(), isSilent, 0, 0)).toBe(false);
    expect(breaker.failed(breaker.begin(), true, 0, 0)).toBe(true);
    expect(breaker.state(4_999)).toBe("open");
    expect(breaker.state(5_000)).toBe("half-open");
  });

  test("remembers when it first opened, until a probe succeeds", () => {
    const breaker = opened(1_000);
    let nowMs = 1_000;
    for (let i = 0; i < 5; i++) {
      nowMs += 70_000;
      breaker.failed(breaker.begin(), true, nowMs, 0);
      expect(breaker.openSinceMs).toBe(1_000);
    }
    nowMs += 70_000;
    expect(breaker.succeeded(breaker.begin())).toBe(true);
    expect(breaker.openSinceMs).toBeUndefined();
    for (let i = 0; i < 3; i++) breaker.failed(breaker.begin(), true, nowMs, 0);
    expect(breaker.openSinceMs).toBe(nowMs);
    expect(breaker.state(nowMs + 5_000)).toBe("half-open");
  });

  test("tells of its opening once, not with each probe", () => {
    const breaker = opened(0);
    expect(breaker.failed(breaker.begin(), true, 5_000, 0)).toBe(false);
    expect(breaker.succeeded(breaker.begin())).toBe(true);
    expect(breaker.succeeded(breaker.begin())).toBe(false);
  });
});
