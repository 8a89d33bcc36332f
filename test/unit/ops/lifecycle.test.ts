import { beforeEach, describe, expect, test } from "bun:test";
import { Lifecycle, type Part } from "../../../src/ops/lifecycle.ts";

const LONG_MS = 60_000;
const AT_ONCE = { noticeMs: 0, plannedMs: LONG_MS, deadlineMs: LONG_MS };

let happened: string[];
let life: Lifecycle;
/** Resolves with the part that is told to be late. */
let late: Promise<string>;
beforeEach(() => {
  happened = [];
  late = new Promise((resolve) => {
    life = new Lifecycle({
      failed: (name) => happened.push(`${name} failed`),
      late(name) {
        happened.push(`${name} is late`);
        resolve(name);
      },
    });
  });
});

function part(name: string, drained: Promise<void> = Promise.resolve()): Part {
  return {
    name,
    async drain() {
      happened.push(`${name} drains`);
      await drained;
    },
    async close() {
      happened.push(`${name} closes`);
    },
  };
}

function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

describe("a stop", () => {
  test("drains and closes each part before the one that it stands on", async () => {
    for (const name of ["operations", "store", "sender"]) life.add(part(name));
    life.ready();
    expect(await life.stop(AT_ONCE)).toEqual({ inTime: true, unclosed: [] });
    expect(happened).toEqual([
      "sender drains",
      "sender closes",
      "store drains",
      "store closes",
      "operations drains",
      "operations closes",
    ]);
    expect(life.state).toBe("closed");
  });

  test("in time has no overrun, before, during or after, and nobody is late", async () => {
    const { open, opened } = gate();
    life.add(part("sender", opened));
    expect(life.overrunMs).toBe(0);
    const stopped = life.stop(AT_ONCE);
    expect(life.overrunMs).toBe(0);
    open();
    await stopped;
    expect([life.overrunMs, happened.includes("sender is late")]).toEqual([0, false]);
  });

  test("that takes longer than planned names the part that it waits for, once, and tells for how long", async () => {
    const { open, opened } = gate();
    for (const name of ["operations", "store"]) life.add(part(name));
    life.add(part("sender", opened));
    life.add(part("packager"));
    const stopped = life.stop({ noticeMs: 0, plannedMs: 5, deadlineMs: LONG_MS });
    expect(await late).toBe("sender");
    const first = life.overrunMs;
    await Bun.sleep(20);
    expect(life.overrunMs).toBeGreaterThan(first);
    expect(life.state).toBe("draining");
    open();
    expect(await stopped).toEqual({ inTime: true, unclosed: [] });
    expect(happened.filter((what) => what.endsWith("late"))).toEqual(["sender is late"]);
  });

  test("that is late because of the notice says so", async () => {
    life.ready();
    const stopped = life.stop({ noticeMs: 200, plannedMs: 1, deadlineMs: LONG_MS });
    expect(await late).toBe("notice");
    await stopped;
  });

  test("that meets its deadline names what was not closed, in the order of closing", async () => {
    for (const name of ["operations", "store"]) life.add(part(name));
    life.add(part("sender", new Promise(() => {})));
    life.add(part("channels"));
    const outcome = await life.stop({ noticeMs: 0, plannedMs: 1, deadlineMs: 50 });
    expect(outcome).toEqual({ inTime: false, unclosed: ["sender", "store", "operations"] });
    expect(happened).toEqual([
      "channels drains",
      "channels closes",
      "sender drains",
      "sender is late",
    ]);
  });

  test("goes on behind a part that fails, which counts as closed", async () => {
    life.add(part("store"));
    life.add(part("sender", Promise.reject(new Error("no"))));
    expect(await life.stop(AT_ONCE)).toEqual({ inTime: true, unclosed: [] });
    expect(happened).toEqual(["sender drains", "sender failed", "store drains", "store closes"]);
  });
});
