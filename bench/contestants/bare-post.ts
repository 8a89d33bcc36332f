import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Child, SERVER_CORE } from "../child.ts";
import { scratchFile } from "../compile.ts";
import type { Sender } from "../sender.ts";

const PROGRAM = join(import.meta.dirname, "..", "limit", "bare-post.ts");

/** What Bun's fetch takes to POST a body that is at hand: no queue, no lease, no log, no guard. */
export const BARE_POST: Sender = {
  name: "bare POST",
  async start({ caFile }) {
    const child = new Child([process.execPath, PROGRAM], {
      core: SERVER_CORE,
      env: { ...process.env, ...(caFile === null ? {} : { NODE_EXTRA_CA_CERTS: caFile }) },
    });
    let posting: Promise<void> = Promise.resolve();
    let backlog = 0;
    const command = async (line: string): Promise<void> => {
      child.write(line);
      const answer = await child.nextLine();
      if (answer !== "ok") throw new Error(answer ?? `it ended: ${child.lastWords}`);
    };
    return {
      child,
      async enqueue(jobs) {
        const file = scratchFile(`posts-${randomUUID()}`);
        await Bun.write(file, JSON.stringify(jobs.map(({ url, body }) => ({ url, body }))));
        try {
          await command(`load ${file}`);
        } finally {
          await rm(file, { force: true });
        }
        backlog = jobs.length;
      },
      async release() {
        posting = command("go").then(() => {
          backlog = 0;
        });
        // Whoever asks for the backlog is told.
        posting.catch(() => undefined);
      },
      async backlog() {
        if (backlog > 0) await posting;
        return backlog;
      },
      close: () => child.stop(),
    };
  },
};
