import type { Contestant, ContestantName } from "../contestant.ts";
import { CREDENTIALS, publishRequest } from "../pusher-api.ts";
import { startRingmaster } from "../ringmaster-process.ts";

/** With the features that soketi has as well. */
export const RINGMASTER = ringmaster("ringmaster", { subscriptionCount: false });

/** Tells the subscribers of a channel how many they are whenever one comes or goes, which soketi does not. */
export const COUNTING_RINGMASTER = ringmaster("ringmaster, counting", { subscriptionCount: true });

function ringmaster(name: ContestantName, features: { subscriptionCount: boolean }): Contestant {
  return {
    name,
    start: () => startRingmaster({ apps: [benchApp(features)] }),
    publishRequest,
  };
}

function benchApp(features: { subscriptionCount: boolean }): unknown {
  const { appId, key, secret } = CREDENTIALS;
  return { id: appId, keys: [{ key, secret }], clientEvents: true, ...features };
}
