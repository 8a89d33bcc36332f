import type { App } from "../../protocol/app.ts";

/** What happened to one app: `app` is its new state, undefined when the app is gone. */
export interface AppChange {
  readonly appId: string;
  readonly app: App | undefined;
}

/**
 * Who may use this server.
 *
 * Guarantees:
 * - Look-ups are answered from memory, at once: they stand on the path of every publish and every new socket. An engine
 *   that lives elsewhere keeps a replica here.
 * - An `App` is immutable. A change hands out a new object, and `onChange` is called after look-ups already answer it.
 * - A change is all or nothing: a source that cannot be read or is wrong leaves the apps as they were.
 * - No key belongs to two apps.
 */
export interface AppStore {
  byId(id: string): App | undefined;
  /** The app that has this key active. */
  byKey(key: string): App | undefined;
  all(): Iterable<App>;
  /** Returns the function that ends the subscription. */
  onChange(listener: (change: AppChange) => void): () => void;
}
