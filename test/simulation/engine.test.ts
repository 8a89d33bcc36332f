import { beforeEach, describe, expect, test } from "bun:test";
import type { Reply } from "../../src/stores/redis/connection.ts";
import { script } from "../../src/stores/redis/script.ts";
import { Random } from "./support/random.ts";
import { SimulatedRedis, type Witness } from "./support/redis/simulated-redis.ts";
import { SimulatedProcess } from "./support/simulated-process.ts";
import { SimulatedTime } from "./support/simulated-time.ts";

const PUSH = script("push", "return redis.call('RPUSH', KEYS[1], ARGV[1])");
const ALL = script("all", "return redis.call('LRANGE', KEYS[1], 0, -1)");
const LIST = "{1}:list";

describe("simulated time", () => {
  test("does what is planned in its order, and what promises make of it before the next", () => {
    const time = new SimulatedTime(new Random(1));
    const done: string[] = [];
    time.in(20, () => done.push("late"));
    time.in(10, () => {
      void Promise.resolve()
        .then(() => {})
        .then(() => done.push("promised"));
      done.push("early");
    });
    time.in(10.5, () => done.push("cancelled"))();
    time.in(11, () => done.push("next"));
    time.pass(15, () => false);
    expect(done).toEqual(["early", "promised", "next"]);
    expect(time.nowMs).toBe(15);
  });

  test("wakes nobody before his time, however crooked the numbers are", () => {
    const time = new SimulatedTime(new Random(1));
    const { clock } = new SimulatedProcess("p", time, 0);
    for (let i = 0; i < 1_000; i++) {
      const dueMs = clock.elapsedMs() + 1 / 3 + i * 0.1;
      let wokenMs = 0;
      clock.after(dueMs - clock.elapsedMs(), () => {
        wokenMs = clock.elapsedMs();
      });
      time.pass(200, () => wokenMs > 0);
      expect(wokenMs).toBeGreaterThanOrEqual(dueMs);
    }
  });

  test("decides between events of one moment as the seed does, and not always alike", () => {
    const order = (seed: number): string => {
      const time = new SimulatedTime(new Random(seed));
      let done = "";
      for (const name of "abcd") time.in(5, () => (done += name));
      time.pass(10, () => false);
      return done;
    };
    const orders = Array.from({ length: 50 }, (_, seed) => order(seed));
    expect(Array.from({ length: 50 }, (_, seed) => order(seed))).toEqual(orders);
    expect(new Set(orders).size).toBeGreaterThan(10);
  });
});

describe("a simulated process", () => {
  test("that stands still does in order what reached it, when it goes on; one that is dead does nothing", () => {
    const time = new SimulatedTime(new Random(1));
    const process = new SimulatedProcess("p", time, 0);
    const done: string[] = [];
    process.pause();
    process.clock.after(1, () => done.push("timer"));
    time.in(2, () => process.enter(() => done.push("answer")));
    time.pass(100, () => false);
    expect(done).toEqual([]);
    expect(process.clock.elapsedMs()).toBe(100);
    process.resume();
    time.pass(0, () => false);
    expect(done).toEqual(["timer", "answer"]);
    process.clock.after(1, () => done.push("never"));
    process.crash();
    time.pass(10, () => false);
    expect(done).toEqual(["timer", "answer"]);
  });
});

describe("a simulated Redis", () => {
  let time: SimulatedTime;
  let redis: SimulatedRedis;
  let process: SimulatedProcess;
  let faults: string[];

  beforeEach(() => start(1));

  function start(seed: number): void {
    faults = [];
    const random = new Random(seed);
    time = new SimulatedTime(random);
    let published = 0;
    const witness: Witness = {
      before() {},
      after() {},
      command() {},
      published: () => ++published,
      fault: (error) => faults.push(String(error)),
    };
    redis = new SimulatedRedis(time, random, witness, (one) => one);
    process = new SimulatedProcess("p", time, 0);
  }

  function pass(ms: number): void {
    time.pass(ms, () => false);
  }

  function list(): readonly string[] {
    return redis.server.db.find(LIST, "list") ?? [];
  }

  test("does a process' calls in their order, and answers in it", () => {
    const connection = redis.connect(process);
    const answers: Reply[] = [];
    for (const name of "abcdef")
      void connection.run(PUSH, [LIST], [name]).then((reply) => answers.push(reply));
    expect(list()).toEqual([]);
    pass(5_000);
    expect(list()).toEqual([..."abcdef"]);
    expect(answers).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("of a connection that breaks does the first calls, all or some or none, and answers none", () => {
    const counts = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      start(seed);
      const connection = redis.connect(process);
      const outcomes: string[] = [];
      for (const name of "abcd")
        connection.run(PUSH, [LIST], [name]).then(
          () => outcomes.push("answered"),
          ({ kind }) => outcomes.push(kind),
        );
      redis.breakLinks(process);
      pass(20_000);
      expect(outcomes).toEqual(Array(4).fill("unreachable"));
      expect("abcd".startsWith(list().join(""))).toBe(true);
      counts.add(list().length);
    }
    expect([...counts].toSorted()).toEqual([0, 1, 2, 3, 4]);
  });

  test("may do a call of a broken connection when it has done those of the next", () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      start(seed);
      const connection = redis.connect(process);
      connection.run(PUSH, [LIST], ["old"]).catch(() => {});
      redis.holdUp(process);
      connection.run(PUSH, [LIST], ["refused"]).catch(() => {});
      pass(400);
      void connection.run(PUSH, [LIST], ["new"]);
      pass(20_000);
      orders.add(list().join());
    }
    expect(orders).toContain("new,old");
    expect(orders).toContain("old,new");
  });

  test("that does not answer in time is given up, and may have done it", () => {
    const connection = redis.connect(process);
    redis.standStill(30_000);
    let kind = "";
    connection.run(PUSH, [LIST], ["a"]).catch((fault) => (kind = fault.kind));
    pass(10_000);
    expect({ kind, list: list() }).toEqual({ kind: "timeout", list: [] });
    pass(30_000);
    expect(list()).toEqual(["a"]);
  });

  test("that fails over has lost what came after the replica was", () => {
    const connection = redis.connect(process);
    void connection.run(PUSH, [LIST], ["kept"]);
    pass(5_000);
    redis.loseReplica();
    void connection.run(PUSH, [LIST], ["lost"]);
    pass(5_000);
    expect(list()).toEqual(["kept", "lost"]);
    expect([redis.failOver(10), redis.failOver(10)]).toEqual([true, false]);
    expect(list()).toEqual(["kept"]);
    connection.run(PUSH, [LIST], ["refused"]).catch(() => {});
    pass(5_000);
    void connection.run(PUSH, [LIST], ["after"]);
    pass(5_000);
    expect(list()).toEqual(["kept", "after"]);
  });

  test("tells who listens what is published, in its order, and who was cut off that something is missing", () => {
    const heard: string[] = [];
    const connection = redis.connect(new SimulatedProcess("speaker", time, 0));
    const subscriber = redis.connect(process).subscriber({
      message: (_, text) => heard.push(text),
      missed: () => heard.push("(missed)"),
    });
    void subscriber.subscribe("{1}:c");
    pass(5_000);
    for (const text of "abc") void connection.publish("{1}:c", text);
    pass(5_000);
    redis.breakLinks(process);
    void connection.publish("{1}:c", "nobody hears");
    pass(5_000);
    void connection.publish("{1}:c", "d");
    pass(5_000);
    subscriber.unsubscribe("{1}:c");
    pass(5_000);
    void connection.publish("{1}:c", "e");
    pass(5_000);
    expect(heard).toEqual(["a", "b", "c", "(missed)", "d"]);
  });

  test("refuses a script a key that is in another slot than its KEYS", () => {
    const elsewhere = script("elsewhere", "return redis.call('GET', '{2}:x')");
    let kind = "";
    redis
      .connect(process)
      .run(elsewhere, [LIST], [])
      .catch((fault) => (kind = fault.kind));
    pass(5_000);
    expect(kind).toBe("refused");
    expect(faults[0]).toContain("CROSSSLOT GET of {2}:x");
  });

  test("ends keys by its own clock, which may be set", () => {
    const set = script("set", "return redis.call('SET', KEYS[1], 'v', 'PX', 1000)");
    const left = script("left", "return redis.call('PTTL', KEYS[1])");
    const connection = redis.connect(process);
    void connection.run(set, [LIST], []);
    pass(500);
    redis.setSkew(100_000);
    let reply: Reply = null;
    void connection.run(left, [LIST], []).then((leftMs) => (reply = leftMs));
    pass(500);
    expect(reply as Reply).toBe(-2);
    void connection.run(ALL, [LIST], []);
    pass(500);
    expect(faults).toEqual([]);
  });
});
