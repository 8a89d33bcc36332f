import { afterEach, describe, expect, test } from "bun:test";
import type { AppChange, AppStore } from "../../src/channels/ports/app-store.ts";
import type { App } from "../../src/protocol/app.ts";
import { testApp } from "../support/apps.ts";

export interface AppStoreUnderTest {
  readonly store: AppStore;
  /** Changes the source. Resolves when the store has taken the change; rejects when it refuses it. */
  replace(apps: readonly App[]): Promise<void>;
  close(): Promise<void>;
}

const KEYS = {
  a: { key: "key-a", secret: "secret-a", active: true },
  b: { key: "key-b", secret: "secret-b", active: true },
  old: { key: "key-old", secret: "secret-old", active: false },
} as const;
const A = testApp({ id: "1", name: "a", keys: [KEYS.a, KEYS.old] });
const B = testApp({ id: "2", name: "b", keys: [KEYS.b] });

/** What the AppStore port promises, for any engine. */
export function describeAppStore(
  name: string,
  make: (apps: readonly App[]) => Promise<AppStoreUnderTest>,
): void {
  describe(`${name} as an AppStore`, () => {
    let made: AppStoreUnderTest;
    let store: AppStore;
    let changes: AppChange[];
    afterEach(() => made.close());

    async function start(...apps: App[]): Promise<void> {
      made = await make(apps);
      store = made.store;
      changes = [];
      store.onChange((change) => changes.push(change));
    }

    test("finds an app by its id and by each of its active keys, and nothing else", async () => {
      await start(A, B);
      expect([store.byId("1"), store.byId("2")]).toEqual([A, B]);
      expect([store.byKey("key-a"), store.byKey("key-b")]).toEqual([A, B]);
      expect([...store.all()].toSorted((x, y) => x.id.localeCompare(y.id))).toEqual([A, B]);
      for (const unknown of ["", "3", "01", "key-a", "__proto__", "constructor"]) {
        expect(store.byId(unknown)).toBeUndefined();
      }
      for (const unknown of ["", "1", "key-old", "KEY-A", "__proto__", "constructor"]) {
        expect(store.byKey(unknown)).toBeUndefined();
      }
    });

    test("tells of a change when look-ups answer it already", async () => {
      await start(A, B);
      const seen: unknown[] = [];
      store.onChange(({ appId, app }) => seen.push([app, store.byId(appId), store.byKey("key-a")]));
      const disabled = { ...A, enabled: false };
      await made.replace([disabled, B]);
      expect(changes).toContainEqual({ appId: "1", app: disabled });
      expect(seen).toContainEqual([disabled, disabled, disabled]);
    });

    test("leaves the object that it handed out before a change as it was", async () => {
      await start(A);
      const before = store.byId("1")!;
      await made.replace([{ ...A, clientEvents: false, limits: { ...A.limits, connections: 7 } }]);
      expect(before).toEqual(A);
      expect(store.byId("1")).not.toBe(before);
      expect(store.byId("1")!.limits.connections).toBe(7);
    });

    test("tells of a new app and of one that is gone", async () => {
      await start(A);
      await made.replace([B]);
      expect(changes).toContainEqual({ appId: "1", app: undefined });
      expect(changes).toContainEqual({ appId: "2", app: B });
      expect([store.byId("1"), store.byKey("key-a")]).toEqual([undefined, undefined]);
      expect([...store.all()]).toEqual([B]);
    });

    test("knows a key no longer that was deactivated, and knows one that was activated", async () => {
      await start(A);
      const rotated = {
        ...A,
        keys: [
          { ...KEYS.a, active: false },
          { ...KEYS.old, active: true },
        ],
      };
      await made.replace([rotated]);
      expect([store.byKey("key-a"), store.byKey("key-old")]).toEqual([undefined, rotated]);
    });

    test("follows a key that moves from one app to another", async () => {
      await start(A, B);
      const [poorer, richer] = [
        { ...A, keys: [KEYS.old] },
        { ...B, keys: [KEYS.b, KEYS.a] },
      ];
      await made.replace([poorer, richer]);
      expect(store.byKey("key-a")).toEqual(richer);
    });

    test.each([
      ["two apps with one id", [A, { ...B, id: "1" }]],
      ["a key that belongs to two apps", [A, { ...B, keys: [KEYS.a] }]],
      [
        "a key that belongs to two apps, inactive in one",
        [A, { ...B, keys: [{ ...KEYS.old, active: true }] }],
      ],
    ])("refuses %s, and stays as it was", async (_what, wrong) => {
      await start(A, B);
      let refused = false;
      await made.replace(wrong).catch(() => (refused = true));
      expect(refused).toBe(true);
      expect(changes).toEqual([]);
      expect([...store.all()].toSorted((x, y) => x.id.localeCompare(y.id))).toEqual([A, B]);
      expect([store.byKey("key-a"), store.byKey("key-b"), store.byKey("key-old")]).toEqual([
        A,
        B,
        undefined,
      ]);
    });

    test("tells every listener, until it no longer listens", async () => {
      await start(A);
      const heard: string[] = [];
      const ends = ["x", "y"].map((who) =>
        store.onChange(({ appId }) => heard.push(`${who} ${appId}`)),
      );
      await made.replace([{ ...A, name: "second" }]);
      expect(heard.toSorted()).toEqual(["x 1", "y 1"]);
      ends[0]!();
      ends[0]!();
      await made.replace([{ ...A, name: "third" }]);
      expect(heard.toSorted()).toEqual(["x 1", "y 1", "y 1"]);
    });
  });
}
