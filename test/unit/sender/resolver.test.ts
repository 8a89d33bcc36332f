import { beforeEach, describe, expect, test } from "bun:test";
import { Resolver, type FoundAddress, type Resolution } from "../../../src/sender/resolver.ts";
import { systemLookup } from "../../../src/sender/system-lookup.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** A name service whose answers a test gives, or does not give. */
class NameService {
  readonly asked: string[] = [];
  readonly #questions: PromiseWithResolvers<readonly FoundAddress[]>[] = [];

  readonly lookup = (name: string): Promise<readonly FoundAddress[]> => {
    this.asked.push(name);
    const question = Promise.withResolvers<readonly FoundAddress[]>();
    this.#questions.push(question);
    return question.promise;
  };

  /** Answers the oldest question. */
  async answer(addresses: readonly string[], ttlMs = 30_000): Promise<void> {
    this.#questions.shift()!.resolve(addresses.map((address) => ({ address, ttlMs })));
    await settled();
  }

  async fail(code = "DNS_ESERVFAIL"): Promise<void> {
    this.#questions.shift()!.reject(Object.assign(new Error("no secrets here"), { code }));
    await settled();
  }
}

/** Until what was resolved has been seen by all who wait for it. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

let clock: FakeClock;
let names: NameService;
let resolver: Resolver;

beforeEach(() => {
  clock = new FakeClock();
  names = new NameService();
  resolver = new Resolver(names.lookup, clock);
});

const A = { addresses: ["8.8.8.8"] } as const;
const B = { addresses: ["9.9.9.9"] } as const;
const FAILING = { fault: "the name service failed (DNS_ESERVFAIL)" };

/** Known, and answered without a wait. */
function known(name = "hook"): Resolution {
  const answer = resolver.resolve(name);
  if (answer instanceof Promise) throw new Error("It waits.");
  return answer;
}

async function learn(addresses: readonly string[], ttlMs?: number, name = "hook"): Promise<void> {
  const answer = resolver.resolve(name);
  await names.answer(addresses, ttlMs);
  await answer;
}

describe("a name", () => {
  test("is asked for once, however many want it, and then known", async () => {
    const first = resolver.resolve("hook");
    const second = resolver.resolve("hook");
    await names.answer(["8.8.8.8", "8.8.8.8"]);
    expect(await Promise.all([first, second])).toEqual([A, A]);
    expect(known()).toEqual(A);
    expect(names.asked).toEqual(["hook"]);
    expect(clock.pending).toBe(0);
  });

  test.each([
    [0, 5_000],
    [4_000, 5_000],
    [30_000, 30_000],
    [3_600_000, 60_000],
  ])("whose time to live is %i ms is known for %i ms", async (ttlMs, knownMs) => {
    await learn(["8.8.8.8"], ttlMs);
    clock.advance(knownMs / 2 - 1);
    known();
    expect(names.asked).toHaveLength(1);
    clock.advance(knownMs / 2);
    known();
    expect(names.asked).toHaveLength(2);
    clock.advance(1);
    expect(resolver.resolve("hook")).toBeInstanceOf(Promise);
  });

  test("lives as long as the shortest of its addresses", async () => {
    const found = [
      { address: "8.8.8.8", ttlMs: 50_000 },
      { address: "9.9.9.9", ttlMs: 6_000 },
    ];
    const mixed = new Resolver(() => Promise.resolve(found), clock);
    await mixed.resolve("hook");
    clock.advance(6_000);
    expect(mixed.resolve("hook")).toBeInstanceOf(Promise);
  });

  test("in use is asked again before its time is over, and nobody waits", async () => {
    await learn(["8.8.8.8"], 20_000);
    clock.advance(10_000);
    expect(known()).toEqual(A);
    expect(known()).toEqual(A);
    expect(names.asked).toHaveLength(2);
    await names.answer(["9.9.9.9"], 20_000);
    expect(known()).toEqual(B);
    clock.advance(9_999);
    expect(known()).toEqual(B);
    expect(names.asked).toHaveLength(2);
  });

  test("not in use is not asked again", async () => {
    await learn(["8.8.8.8"]);
    clock.advance(3_600_000);
    expect(names.asked).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test("whose time is over is waited for", async () => {
    await learn(["8.8.8.8"]);
    clock.advance(30_000);
    const answer = resolver.resolve("hook");
    await names.answer(["9.9.9.9"]);
    expect(await answer).toEqual(B);
  });

  test("that does not exist is asked again after 2 s, and its old addresses are gone", async () => {
    await learn(["8.8.8.8"]);
    clock.advance(30_000);
    const answer = resolver.resolve("hook");
    await names.answer([]);
    expect(await answer).toEqual({ fault: "there is no such name" });
    clock.advance(1_999);
    expect(known()).toEqual({ fault: "there is no such name" });
    clock.advance(1);
    expect(resolver.resolve("hook")).toBeInstanceOf(Promise);
    await names.fail();
    expect(known()).toEqual(FAILING);
  });

  test("is one among so many that are remembered: the one used longest ago goes", async () => {
    resolver = new Resolver(names.lookup, clock, 2);
    await learn(["8.8.8.8"], undefined, "a");
    await learn(["8.8.8.8"], undefined, "b");
    known("a");
    await learn(["8.8.8.8"], undefined, "c");
    expect(resolver.size).toBe(2);
    expect(known("a")).toEqual(A);
    expect(known("c")).toEqual(A);
    expect(resolver.resolve("b")).toBeInstanceOf(Promise);
    expect(names.asked).toEqual(["a", "b", "c", "b"]);
  });
});

describe("while the name service fails", () => {
  test("an unknown name is a fault, and asked again after 2 s", async () => {
    const answer = resolver.resolve("hook");
    await names.fail();
    expect(await answer).toEqual(FAILING);
    clock.advance(1_999);
    expect(known()).toEqual(FAILING);
    clock.advance(1);
    const again = resolver.resolve("hook");
    await names.answer(["8.8.8.8"]);
    expect(await again).toEqual(A);
  });

  test("a service that is silent is given up after 5 s; its answer counts whenever it comes", async () => {
    const answer = resolver.resolve("hook");
    clock.advance(4_999);
    expect(names.asked).toHaveLength(1);
    clock.advance(1);
    expect(await answer).toEqual({ fault: "the name service gave no answer within 5 s" });
    await names.answer(["8.8.8.8"]);
    expect(known()).toEqual(A);
  });

  test("a failure that comes too late changes nothing", async () => {
    const given = resolver.resolve("hook");
    clock.advance(5_000);
    await given;
    clock.advance(2_000);
    const again = resolver.resolve("hook");
    await names.fail();
    expect(names.asked).toHaveLength(2);
    await names.answer(["8.8.8.8"]);
    expect(await again).toEqual(A);
  });

  test("old addresses serve for 10 minutes, and after the first failure nobody waits", async () => {
    await learn(["8.8.8.8"], 30_000);
    clock.advance(30_000);
    const answer = resolver.resolve("hook");
    await names.fail();
    expect(await answer).toEqual(A);
    // In use once a second, and each look-up hangs to its end.
    for (let second = 1; second < 600; second++) {
      clock.advance(1_000);
      expect(known()).toEqual(A);
    }
    expect(names.asked.length).toBeGreaterThan(80);
    clock.advance(1_000);
    await settled();
    clock.advance(5_000);
    await settled();
    clock.advance(2_000);
    const late = resolver.resolve("hook");
    clock.advance(5_000);
    expect(await late).toEqual({ fault: "the name service gave no answer within 5 s" });
  });

  test("old addresses are replaced once it answers again", async () => {
    await learn(["8.8.8.8"]);
    clock.advance(30_000);
    const answer = resolver.resolve("hook");
    await names.fail();
    await answer;
    clock.advance(2_000);
    expect(known()).toEqual(A);
    await names.answer(["9.9.9.9"]);
    expect(known()).toEqual(B);
  });
});

describe("of several addresses", () => {
  const all = ["1.1.1.1", "2.2.2.2", "3.3.3.3"] as const;

  test("one that cannot be reached goes to the end, once for all who met it together", async () => {
    await learn(all);
    resolver.demote("hook", "1.1.1.1");
    resolver.demote("hook", "1.1.1.1");
    expect(known().addresses).toEqual(["2.2.2.2", "3.3.3.3", "1.1.1.1"]);
    resolver.demote("hook", "2.2.2.2");
    expect(known().addresses).toEqual(["3.3.3.3", "1.1.1.1", "2.2.2.2"]);
  });

  test("the one in use stays first when the name service turns them round", async () => {
    await learn(all);
    resolver.demote("hook", "1.1.1.1");
    const before = known().addresses;
    clock.advance(15_000);
    known();
    await names.answer(["3.3.3.3", "1.1.1.1", "2.2.2.2"]);
    expect(known().addresses).toBe(before!);
  });

  test("a new list is taken as it comes when the one in use is gone", async () => {
    await learn(all);
    clock.advance(15_000);
    known();
    await names.answer(["4.4.4.4", "3.3.3.3"]);
    expect(known().addresses).toEqual(["4.4.4.4", "3.3.3.3"]);
  });

  test("a single one stays, whatever happens to it", async () => {
    await learn(["8.8.8.8"]);
    const before = known();
    resolver.demote("hook", "8.8.8.8");
    expect(known()).toBe(before);
  });
});

describe("the name service of this machine", () => {
  test("knows the hosts file", async () => {
    expect(await systemLookup("localhost")).toContainEqual({ address: "127.0.0.1", ttlMs: 0 });
  });

  test("answers nothing for what can be no name", async () => {
    expect(await systemLookup("a..b")).toEqual([]);
    expect(await systemLookup(`${"x".repeat(64)}.example`)).toEqual([]);
  });
});
