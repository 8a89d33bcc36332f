import { FileAppStore } from "../../src/stores/file/app-store.ts";
import { describeAppStore } from "./app-store.ts";

describeAppStore("FileAppStore", async (apps) => {
  const store = new FileAppStore(apps);
  return {
    store,
    replace: async (changed) => store.replace(changed),
    close: async () => undefined,
  };
});
