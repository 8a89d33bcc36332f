import { describe, expect, test } from "bun:test";
import type { AppChange } from "../../../src/channels/ports/app-store.ts";
import type { App } from "../../../src/protocol/app.ts";
import { PUSHER_LIMITS } from "../../../src/protocol/limits.ts";
import { FileAppStore } from "../../../src/stores/file/app-store.ts";

function app(id: string, changes: Partial<App> = {}): App {
  return {
    id,
    name: id,
    enabled: true,
    keys: [{ key: `key-${id}`, secret: `secret-${id}`, active: true }],
    forceTls: false,
    clientEvents: false,
    authorizedConnections: false,
    subscriptionCount: false,
    watchlist: false,
    allowedOrigins: null,
    webhooks: [],
    batchWebhooks: true,
    limits: PUSHER_LIMITS,
    ...changes,
  };
}

function told(store: FileAppStore): AppChange[] {
  const changes: AppChange[] = [];
  store.onChange((change) => changes.push(change));
  return changes;
}

describe("look-ups", () => {
  test("find an app by its id and by each of its active keys", () => {
    const keys = [
      { key: "old", secret: "a", active: false },
      { key: "one", secret: "b", active: true },
      { key: "two", secret: "c", active: true },
    ];
    const first = app("1", { keys });
    const second = app("2", { enabled: false });
    const store = new FileAppStore([first, second]);
    expect(store.byId("1")).toBe(first);
    expect([store.byKey("one"), store.byKey("two"), store.byKey("old")]).toEqual([
      first,
      first,
      undefined,
    ]);
    expect(store.byKey("key-2")).toBe(second);
    expect([store.byId("3"), store.byKey("1"), store.byId("__proto__")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([...store.all()]).toEqual([first, second]);
  });
});

describe("replace", () => {
  test("tells what was added, changed and removed, the removed first, and nothing else", () => {
    const same = app("1");
    const store = new FileAppStore([same, app("2"), app("3")]);
    const changes = told(store);
    const changed = app("2", { limits: { ...PUSHER_LIMITS, connections: 1 } });
    const added = app("4");
    store.replace([structuredClone(same), changed, added]);
    expect(changes).toEqual([
      { appId: "3", app: undefined },
      { appId: "2", app: changed },
      { appId: "4", app: added },
    ]);
    expect(store.byId("1")).toBe(same);
    expect([store.byId("3"), store.byKey("key-3")]).toEqual([undefined, undefined]);
  });

  test("compares deeply: a secret, the order of keys and an origin are changes", () => {
    const two = [
      { key: "a", secret: "a", active: true },
      { key: "b", secret: "b", active: true },
    ];
    const store = new FileAppStore([app("1", { keys: two })]);
    const changes = told(store);
    store.replace([app("1", { keys: two.toReversed() })]);
    store.replace([app("1", { keys: [{ ...two[0], key: "a", active: true, secret: "x" }] })]);
    store.replace([app("1", { allowedOrigins: ["a"] })]);
    store.replace([app("1", { allowedOrigins: ["a"] })]);
    expect(changes).toHaveLength(3);
  });

  test("answers with the new apps before anybody is told", () => {
    const store = new FileAppStore([app("1"), app("2")]);
    const seen: unknown[] = [];
    store.onChange(({ appId }) => seen.push([appId, store.byId("1")?.name, store.byKey("key-2")]));
    store.replace([app("1", { name: "new" })]);
    expect(seen).toEqual([
      ["2", "new", undefined],
      ["1", "new", undefined],
    ]);
  });

  test("a key may move from one app to another", () => {
    const moved = [{ key: "k", secret: "s", active: true }];
    const store = new FileAppStore([app("1", { keys: moved })]);
    store.replace([app("2", { keys: moved })]);
    expect(store.byKey("k")?.id).toBe("2");
  });

  test.each([
    ["an id", [app("1"), app("1", { keys: [] })]],
    ["a key", [app("1"), app("2", { keys: [{ key: "key-1", secret: "s", active: false }] })]],
  ])("throws when two apps share %s, with nothing changed", (_what, apps) => {
    expect(() => new FileAppStore(apps)).toThrow();
    const before = app("9");
    const store = new FileAppStore([before]);
    const changes = told(store);
    expect(() => store.replace(apps)).toThrow();
    expect([...store.all()]).toEqual([before]);
    expect(store.byKey("key-9")).toBe(before);
    expect(changes).toEqual([]);
  });

  test("a listener that throws keeps no other from being told", () => {
    const store = new FileAppStore([]);
    store.onChange(() => {
      throw new Error("first");
    });
    const changes = told(store);
    let thrown: unknown;
    try {
      store.replace([app("1"), app("2")]);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(AggregateError);
    expect(changes.map(({ appId }) => appId)).toEqual(["1", "2"]);
  });
});

describe("onChange", () => {
  test("ends with the function it returned, each subscription by itself", () => {
    const store = new FileAppStore([]);
    let calls = 0;
    const listener = () => void calls++;
    const end = store.onChange(listener);
    store.onChange(listener);
    store.replace([app("1")]);
    expect(calls).toBe(2);
    end();
    end();
    store.replace([]);
    expect(calls).toBe(3);
  });
});
