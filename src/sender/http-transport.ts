import type { Clock } from "./ports/clock.ts";
import type { AddressGuard } from "./address-guard.ts";
import { replyOf } from "./answer.ts";
import { AMBIGUOUS, connectErrorOf } from "./http/connect-error.ts";
import {
  connectionFault,
  mayHaveBeenDead,
  type ConnectionFault,
  type FailureResult,
} from "./http/connection-fault.ts";
import { ConnectionPool } from "./http/connection-pool.ts";
import type { Break, Carried, Peer } from "./http/connection.ts";
import { requestText, type RequestText } from "./http/request-text.ts";
import type { TlsIdentity } from "./http/tls-peer.ts";
import type { Resolution, Resolver } from "./resolver.ts";
import { Routes, type Place } from "./routes.ts";
import type { Transport, WebhookReply, WebhookRequest } from "./transport.ts";
import { UnderWay, type Exchange } from "./under-way.ts";

export interface HttpTransportOptions {
  readonly clock: Clock;
  readonly resolver: Resolver;
  readonly guard: AddressGuard;
  /** Of Ringmaster, for the `user-agent` header. */
  readonly version: string;
  readonly tls?: TlsIdentity;
}

/** A connection that was dead already breaks within a round trip; one that breaks later may have carried the request. */
const DEAD_ALREADY_MS = 1_000;
/** An answer so young shows that this machine has a way out. */
const WAY_OUT_SHOWN_MS = 30_000;

const INVALID_REQUEST = "the request could not be made; is a header invalid?";
const BROKEN_OFF = {
  timeout: "no complete answer in time",
  shutdown: "the sender was stopped before the answer came",
};

/**
 * Sends webhooks over connections of its own, to the addresses that the guard has judged. The URL's name stands in the `host`
 * header and in the TLS handshake, where the certificate is verified for it.
 *
 * Connections are kept and used again, each for one origin and one address only. A try that ended before a connection came
 * about goes on to the next address of the name. One that broke at once and without a byte on a connection that had been
 * kept is sent again on a new one: the receiver had closed the kept one before we wrote, and if it had not, it gets the
 * webhook twice, under one id. Nothing else is sent twice.
 *
 * It goes to the receiver itself whatever proxy the environment names: with a proxy between, the address that was judged
 * would not be the one that is dialled.
 */
export class HttpTransport implements Transport {
  readonly #clock: Clock;
  readonly #resolver: Resolver;
  readonly #routes: Routes;
  readonly #underWay: UnderWay;
  readonly #pool: ConnectionPool;
  /** Sends that wait for a name, by the function that ends their wait. */
  readonly #waits = new Set<() => void>();
  #answeredAtMs = -Infinity;

  /** Throws where what is configured for TLS cannot be read. */
  constructor({ clock, resolver, guard, version, tls }: HttpTransportOptions) {
    this.#clock = clock;
    this.#resolver = resolver;
    this.#routes = new Routes({ guard, userAgent: `Ringmaster-Webhooks/${version}`, tls });
    this.#underWay = new UnderWay(clock);
    this.#pool = new ConnectionPool(clock);
  }

  send(request: WebhookRequest): Promise<WebhookReply> {
    const place = this.#routes.placeOf(request.url);
    if (place === undefined)
      return Promise.resolve(failure("address", "the URL is neither http nor https"));
    const { resolution, name } = place.destination;
    const found = resolution ?? this.#resolver.resolve(name);
    return found instanceof Promise
      ? this.#deliverLater(request, place, found)
      : this.#deliver(request, place, found);
  }

  abort(): void {
    for (const endWait of this.#waits) endWait();
    this.#underWay.breakAllOff();
    this.#pool.closeAll();
  }

  async #deliverLater(
    request: WebhookRequest,
    place: Place,
    resolving: Promise<Resolution>,
  ): Promise<WebhookReply> {
    const resolution = await this.#unlessAborted(resolving);
    if (resolution === undefined) return failure("shutdown", BROKEN_OFF.shutdown);
    return this.#deliver(request, place, resolution);
  }

  /**
   * To the name's addresses one after the other, as long as none of them can be connected to.
   *
   * On the way of nearly all requests, a kept connection and an answer, it is the only function that waits.
   */
  async #deliver(
    { headers, body, timeoutMs }: WebhookRequest,
    place: Place,
    { addresses, fault: unresolved }: Resolution,
  ): Promise<WebhookReply> {
    const { destination, opening, route } = place;
    const { name, authorization } = destination;
    if (unresolved !== undefined) return failure("dns", `${name}: ${unresolved}`);
    this.#routes.judge(place, addresses);
    const text = requestText(opening, authorization, headers, body);
    const exchange = this.#underWay.begin(timeoutMs);
    try {
      let failed: WebhookReply | undefined;
      for (const { address, origin, peer } of route.ways) {
        if (text === undefined) return failure("connection", `${origin}: ${INVALID_REQUEST}`);
        const kept = this.#pool.take(peer);
        const connection = kept ?? this.#pool.create(peer);
        const startedMs = this.#clock.elapsedMs();
        exchange.waitsFor = connection;
        let carried = await connection.carry(text);
        this.#pool.giveBack(connection);
        if (carried.broken !== undefined && kept !== undefined)
          carried = await this.#replace(carried.broken, text, peer, exchange, startedMs);
        if (carried.answer !== undefined) {
          this.#answeredAtMs = this.#clock.elapsedMs();
          return replyOf(carried.answer);
        }
        const { result, detail, isUnsent } = await this.#faultOf(carried.broken, peer, exchange);
        // What one address shows of the receiver outweighs that we have no way to another.
        if (failed === undefined || result !== "egress")
          failed = failure(result, `${origin}: ${detail}`);
        if (isUnsent || result === "timeout") this.#resolver.demote(name, address);
        if (!isUnsent || exchange.brokenOff !== undefined) break;
      }
      return failed ?? failure("address", route.refusal);
    } finally {
      this.#underWay.end(exchange);
    }
  }

  /** Sent once more, on a new connection, where the kept one was dead before. */
  async #replace(
    broken: Break,
    text: RequestText,
    peer: Peer,
    exchange: Exchange,
    startedMs: number,
  ): Promise<Carried> {
    const tookMs = this.#clock.elapsedMs() - startedMs;
    if (exchange.brokenOff !== undefined || !mayHaveBeenDead(broken) || tookMs >= DEAD_ALREADY_MS)
      return { broken };
    const connection = this.#pool.create(peer);
    exchange.waitsFor = connection;
    const carried = await connection.carry(text);
    this.#pool.giveBack(connection);
    return carried;
  }

  async #faultOf(broken: Break, peer: Peer, exchange: Exchange): Promise<ConnectionFault> {
    const isAmbiguous = broken.stage === "connecting" && broken.code === AMBIGUOUS;
    const code =
      isAmbiguous && exchange.brokenOff === undefined
        ? await connectErrorOf(peer, exchange.signal)
        : broken.code;
    // What broke in the time that asking took, was known before.
    if (exchange.brokenOff !== undefined && !(isAmbiguous && exchange.brokenOff === "timeout"))
      return {
        result: exchange.brokenOff,
        detail: BROKEN_OFF[exchange.brokenOff],
        isUnsent: false,
      };
    const othersAnswer = this.#clock.elapsedMs() - this.#answeredAtMs < WAY_OUT_SHOWN_MS;
    return connectionFault({ ...broken, code }, othersAnswer);
  }

  /** Undefined when `abort` came first. */
  #unlessAborted(resolving: Promise<Resolution>): Promise<Resolution | undefined> {
    return new Promise((resolve) => {
      const endWait = (): void => resolve(undefined);
      this.#waits.add(endWait);
      void resolving.then((resolution) => {
        this.#waits.delete(endWait);
        resolve(resolution);
      });
    });
  }
}

function failure(result: FailureResult, detail: string): WebhookReply {
  return { kind: "failure", result, detail };
}
