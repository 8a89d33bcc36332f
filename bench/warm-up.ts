import type { Session } from "./session.ts";
import type { Measurement } from "./load.ts";

const WARM_UP_PUBLISHES = 10_000;
const CONNECTIONS = 32;

/** Enough publishes for every JIT tier to have seen the HTTP path, without a socket that would receive them. */
export async function warmUpPublishing(session: Session): Promise<void> {
  if (session.name === "limit") return;
  await publishToNobody(session, WARM_UP_PUBLISHES);
}

export function publishToNobody(session: Session, publishes: number): Promise<Measurement> {
  return session.publish({
    requests: publishes,
    messagesPerRequest: 1,
    deliveriesPerMessage: 0,
    mode: { kind: "closed", connections: CONNECTIONS },
    channelOf: () => "nobody",
  });
}
