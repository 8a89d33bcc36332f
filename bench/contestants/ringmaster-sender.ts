import { PUSHER_RETRY_WINDOW_MS, endpointIdOf } from "../../src/protocol/webhook.ts";
import { JobTable } from "../job-table.ts";
import { CREDENTIALS } from "../pusher-api.ts";
import { ringmasterJob } from "../ringmaster-job.ts";
import { startRingmaster } from "../ringmaster-process.ts";
import { LOOPBACK_NETWORK } from "../sink.ts";
import type { Sender } from "../sender.ts";

/** The role `sender` alone, as it comes, on a file that this program puts jobs into as a packager would. */
export const RINGMASTER_SENDER: Sender = {
  name: "ringmaster",
  async start({ caFile }) {
    const { appId, key, secret } = CREDENTIALS;
    const { child, databaseFile } = await startRingmaster({
      apps: [{ id: appId, keys: [{ key, secret }] }],
      roles: ["sender"],
      sender: { allowedNetworks: [LOOPBACK_NETWORK], caFile },
    });
    const table = new JobTable(databaseFile);
    let held: readonly string[] = [];
    return {
      child,
      async enqueue(jobs) {
        held = [...new Set(jobs.map(({ endpoint }) => endpointIdOf(appId, webhookId(endpoint))))];
        table.pause(held);
        table.add(
          jobs.map(({ endpoint, url, body }) =>
            ringmasterJob({
              appId,
              webhookId: webhookId(endpoint),
              url,
              body,
              retryWindowMs: PUSHER_RETRY_WINDOW_MS,
            }),
          ),
        );
      },
      async release() {
        table.resume(held);
      },
      async backlog() {
        return table.waitingOf(appId);
      },
      async close() {
        await child.stop();
        table.close();
      },
    };
  },
};

function webhookId(endpoint: number): string {
  return `sink-${endpoint}`;
}
