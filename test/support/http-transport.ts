import { systemClock } from "../../src/channels/ports/clock.ts";
import { AddressGuard } from "../../src/sender/address-guard.ts";
import { HttpTransport, type HttpTransportOptions } from "../../src/sender/http-transport.ts";
import { Resolver, type Lookup } from "../../src/sender/resolver.ts";
import type { WebhookReply, WebhookRequest } from "../../src/sender/transport.ts";

/** A transport that may talk to this machine, and for which every name is at the addresses given. */
export function localTransport({
  addresses = ["127.0.0.1"],
  lookup = () => Promise.resolve(addresses.map((address) => ({ address, ttlMs: 60_000 }))),
  allowedNetworks = ["127.0.0.0/8", "::1/128"],
  tls,
}: {
  readonly addresses?: readonly string[];
  readonly lookup?: Lookup;
  readonly allowedNetworks?: readonly string[];
  readonly tls?: HttpTransportOptions["tls"];
} = {}): HttpTransport {
  return new HttpTransport({
    clock: systemClock,
    resolver: new Resolver(lookup, systemClock),
    guard: new AddressGuard(allowedNetworks),
    version: "1.2.3",
    ...(tls === undefined ? {} : { tls }),
  });
}

export function webhook(url: string, rest: Partial<WebhookRequest> = {}): WebhookRequest {
  return {
    url,
    headers: { "content-type": "application/json", "x-pusher-key": "key" },
    body: '{"time_ms":1,"events":[]}',
    timeoutMs: 4_000,
    ...rest,
  };
}

export const DELIVERED: WebhookReply = {
  kind: "answer",
  status: 200,
  retryAfter: null,
  snippet: "",
};

/** How a send ended: `answer 200`, `failure tls`. */
export function outcomeOf(reply: WebhookReply): string {
  return reply.kind === "answer" ? `answer ${reply.status}` : `failure ${reply.result}`;
}
