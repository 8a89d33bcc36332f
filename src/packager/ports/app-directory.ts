import type { App } from "../../protocol/app.ts";

/** The apps as they are now. */
export interface AppDirectory {
  byId(id: string): App | undefined;
}
