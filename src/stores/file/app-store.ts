import { isDeepStrictEqual } from "node:util";
import type { AppChange, AppStore } from "../../channels/ports/app-store.ts";
import type { App } from "../../protocol/app.ts";

/**
 * The apps of the configuration file, held in memory. Whoever reads the file, and reads it again, tells the store with
 * `replace`.
 */
export class FileAppStore implements AppStore {
  readonly #listeners = new Set<(change: AppChange) => void>();
  #byId: ReadonlyMap<string, App> = new Map();
  #byKey: ReadonlyMap<string, App> = new Map();

  /** Throws when two of the apps share an id or a key. */
  constructor(apps: readonly App[]) {
    this.#index(apps);
  }

  byId(id: string): App | undefined {
    return this.#byId.get(id);
  }

  byKey(key: string): App | undefined {
    return this.#byKey.get(key);
  }

  all(): Iterable<App> {
    return this.#byId.values();
  }

  onChange(listener: (change: AppChange) => void): () => void {
    // A function of its own, so that subscribing one listener twice makes two subscriptions.
    const subscription = (change: AppChange) => listener(change);
    this.#listeners.add(subscription);
    return () => this.#listeners.delete(subscription);
  }

  /**
   * Takes the new apps in place of all the old ones and tells the listeners what differs. An app that is the same stays the
   * same object and is told to nobody. Apps that went are told first, since a key may have moved from one to another.
   *
   * Throws, with nothing changed, when two of the apps share an id or a key. A listener that throws keeps no other from
   * being told; what they threw is thrown together at the end.
   */
  replace(apps: readonly App[]): void {
    const before = this.#byId;
    this.#index(
      apps.map((app) => {
        const old = before.get(app.id);
        return old !== undefined && isDeepStrictEqual(old, app) ? old : app;
      }),
    );
    const gone = [...before.keys()].filter((id) => !this.#byId.has(id));
    const changed = [...this.#byId.values()].filter((app) => before.get(app.id) !== app);
    this.#tell([
      ...gone.map((appId) => ({ appId, app: undefined })),
      ...changed.map((app) => ({ appId: app.id, app })),
    ]);
  }

  #index(apps: readonly App[]): void {
    const byId = new Map(apps.map((app) => [app.id, app]));
    if (byId.size < apps.length) throw new Error("Two apps have the same id.");
    const keys = apps.flatMap((app) => app.keys.map((key) => ({ ...key, app })));
    if (new Set(keys.map(({ key }) => key)).size < keys.length)
      throw new Error("A key belongs to two apps.");
    this.#byId = byId;
    this.#byKey = new Map(keys.filter(({ active }) => active).map(({ key, app }) => [key, app]));
  }

  #tell(changes: readonly AppChange[]): void {
    const failures: unknown[] = [];
    // A copy: a listener may subscribe or unsubscribe while it is told.
    const listeners = [...this.#listeners];
    for (const change of changes) {
      for (const listener of listeners) {
        try {
          listener(change);
        } catch (error) {
          failures.push(error);
        }
      }
    }
    if (failures.length > 0)
      throw new AggregateError(failures, "Listeners to changes of the apps failed.");
  }
}
