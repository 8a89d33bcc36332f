import type { Ringmaster } from "./ringmaster.ts";
import { eventually } from "./wait.ts";

/** The figures of the queue are counted once a second: an answer that is older says nothing of now. */
const FIGURES_LAST_MS = 1_100;
/** The leases of who was killed last take ten seconds to end, and what failed then waits for seconds more. */
const EMPTY_WITHIN_MS = 60_000;

/** Resolves when every event has become webhooks, and every webhook was delivered. */
export async function nothingOwed(server: Ringmaster): Promise<void> {
  let emptySinceMs = Number.POSITIVE_INFINITY;
  let last = "";
  const isEmpty = async (): Promise<boolean> => {
    const scrape = await server.metrics();
    const figures = {
      events: scrape.sum("ringmaster_webhook_events"),
      waiting: scrape.sum("ringmaster_database_waiting_changes"),
      due: scrape.sum("ringmaster_webhook_jobs", { state: "due" }),
      leased: scrape.sum("ringmaster_webhook_jobs", { state: "leased" }),
      delayed: scrape.sum("ringmaster_webhook_jobs", { state: "delayed" }),
      dead: scrape.sum("ringmaster_webhook_jobs", { state: "dead" }),
    };
    last = JSON.stringify(figures);
    return Object.values(figures).every((figure) => figure === 0);
  };
  const hasBeenEmpty = async (): Promise<boolean> => {
    if (await isEmpty()) emptySinceMs = Math.min(emptySinceMs, performance.now());
    else emptySinceMs = Number.POSITIVE_INFINITY;
    return performance.now() - emptySinceMs > FIGURES_LAST_MS;
  };
  await eventually("nothing is owed any more", hasBeenEmpty, EMPTY_WITHIN_MS).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}; left: ${last}`, { cause: error });
    },
  );
}
