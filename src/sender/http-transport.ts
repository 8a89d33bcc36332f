import { getCACertificates } from "node:tls";
import type { Clock } from "./ports/clock.ts";
import type { AddressGuard } from "./address-guard.ts";
import { readAnswer } from "./answer.ts";
import { destinationOf, type Destination } from "./destination.ts";
import { BROKEN_OFF, fetchFault, type FailureResult, type FetchFault } from "./fetch-fault.ts";
import { LruMap } from "./lru-map.ts";
import type { Resolution, Resolver } from "./resolver.ts";
import type { Transport, WebhookReply, WebhookRequest } from "./transport.ts";
import { UnderWay, type Exchange } from "./under-way.ts";
import { judgeAddresses, type Ways } from "./ways.ts";

export interface HttpTransportOptions {
  readonly clock: Clock;
  readonly resolver: Resolver;
  readonly guard: AddressGuard;
  /** Of Ringmaster, for the `user-agent` header. */
  readonly version: string;
  /** PEM. */
  readonly tls?: {
    /** Authorities that are trusted beside the public ones. */
    readonly ca: string | null;
    /** Shown to receivers that ask who we are; both or neither. */
    readonly cert: string | null;
    readonly key: string | null;
  };
}

/** What is kept for an origin. */
interface Route {
  readonly session: Bun.FetchSession;
  ways: Ways;
  /** Until then a connection may be kept that the receiver has closed meanwhile. */
  keptUntilMs: number;
}

const MAX_URLS = 10_000;
const MAX_ORIGINS = 10_000;
/** Below what most servers and load balancers allow (60 s), above the pauses of an endpoint in use. */
const KEEP_IDLE_SECONDS = 30;
/** Bun's timer for it is coarse, and late by up to two steps of 4 s. */
const KEPT_AT_MOST_MS = (KEEP_IDLE_SECONDS + 8) * 1_000;
/** A connection that was dead already breaks within a round trip; one that breaks later may have carried the request. */
const DEAD_ALREADY_MS = 1_000;
/** An answer so young shows that this machine has a way out. */
const WAY_OUT_SHOWN_MS = 30_000;

const NOT_JUDGED: Ways = { addresses: [], ways: [], refusal: "" };
type Tried =
  | { readonly reply: WebhookReply; readonly fault?: never }
  | { readonly fault: FetchFault; readonly reply?: never };

/**
 * Sends webhooks by Bun's fetch, to the addresses that the guard has judged: the name in the URL is replaced by the
 * address, and stands in the `host` header and in the TLS handshake, where the certificate is verified for it.
 *
 * Connections are kept and used again, each for one origin only: Bun keeps them per session, and every origin has its own.
 * A try that ended before a connection came about goes on to the next address of the name. One that broke at once, while
 * a connection may have been kept, is sent again on a new one: the receiver had closed the kept one before we wrote, and
 * if it had not, it gets the webhook twice, under one id. Nothing else is sent twice.
 *
 * It goes to the receiver itself whatever proxy the environment names: with a proxy between, the address that was judged
 * would not be the one that is dialled.
 */
export class HttpTransport implements Transport {
  readonly #clock: Clock;
  readonly #resolver: Resolver;
  readonly #guard: AddressGuard;
  readonly #userAgent: string;
  readonly #tls: Bun.TLSOptions;
  readonly #underWay: UnderWay;
  readonly #destinations = new LruMap<string, Destination>(MAX_URLS);
  readonly #routes = new LruMap<string, Route>(MAX_ORIGINS, ({ session }) => session.close());
  /** Sends that wait for a name, by the function that ends their wait. */
  readonly #waits = new Set<() => void>();
  #answeredAtMs = -Infinity;

  constructor({ clock, resolver, guard, version, tls }: HttpTransportOptions) {
    this.#clock = clock;
    this.#resolver = resolver;
    this.#guard = guard;
    this.#userAgent = `Ringmaster-Webhooks/${version}`;
    const { ca = null, cert = null, key = null } = tls ?? {};
    this.#tls = {
      // A list that is given replaces the default one.
      ...(ca === null ? {} : { ca: [...getCACertificates("default"), ca] }),
      ...(cert === null || key === null ? {} : { cert, key }),
    };
    this.#underWay = new UnderWay(clock);
  }

  async send(request: WebhookRequest): Promise<WebhookReply> {
    const destination = this.#destinationOf(request.url);
    if (destination === undefined) return failure("address", "the URL is neither http nor https");
    const found = destination.resolution ?? this.#resolver.resolve(destination.name);
    const resolution = found instanceof Promise ? await this.#unlessAborted(found) : found;
    if (resolution === undefined) return failure("shutdown", BROKEN_OFF.shutdown.detail);
    if (resolution.fault !== undefined)
      return failure("dns", `${destination.name}: ${resolution.fault}`);

    const route = this.#routeOf(destination);
    if (route.ways.addresses !== resolution.addresses)
      route.ways = judgeAddresses(this.#guard, destination, resolution.addresses);
    const exchange = this.#underWay.begin(request.timeoutMs);
    try {
      return await this.#deliver(request, destination, route, exchange);
    } finally {
      this.#underWay.end(exchange);
    }
  }

  abort(): void {
    for (const endWait of this.#waits) endWait();
    this.#underWay.breakAllOff();
    for (const { session } of this.#routes.values()) session.close();
  }

  /** To the name's addresses one after the other, as long as none of them can be connected to. */
  async #deliver(
    request: WebhookRequest,
    destination: Destination,
    route: Route,
    exchange: Exchange,
  ): Promise<WebhookReply> {
    const { ways, refusal } = route.ways;
    const init = this.#initOf(request, destination, route, exchange);
    let failed: WebhookReply | undefined;
    for (const { address, origin } of ways) {
      const tried = await this.#post(`${origin}${destination.target}`, init, route, exchange);
      if (tried.reply !== undefined) return tried.reply;
      const { result, detail, isUnsent } = tried.fault;
      // What one address shows of the receiver outweighs that we have no way to another.
      if (failed === undefined || result !== "egress")
        failed = failure(result, `${origin}: ${detail}`);
      if (isUnsent || result === "timeout") this.#resolver.demote(destination.name, address);
      if (!isUnsent) break;
    }
    return failed ?? failure("address", refusal);
  }

  /** Once, and once more where the first try met nothing but a kept connection that was dead. */
  async #post(
    url: string,
    init: BunFetchRequestInit,
    route: Route,
    exchange: Exchange,
  ): Promise<Tried> {
    const startedMs = this.#clock.elapsedMs();
    const mayMeetDead = startedMs < route.keptUntilMs;
    const tried = await this.#fetch(url, init, route, exchange);
    if (
      !mayMeetDead ||
      tried.fault?.isBroken !== true ||
      this.#clock.elapsedMs() - startedMs >= DEAD_ALREADY_MS
    )
      return tried;
    // What else is kept is as old; closing it makes sure that the second try meets none of it.
    route.session.close();
    route.keptUntilMs = -Infinity;
    return this.#fetch(url, init, route, exchange);
  }

  async #fetch(
    url: string,
    init: BunFetchRequestInit,
    route: Route,
    exchange: Exchange,
  ): Promise<Tried> {
    let isAnswered = false;
    try {
      const response = await fetch(url, init);
      isAnswered = true;
      const { reply, isWhole } = await readAnswer(response);
      this.#answeredAtMs = this.#clock.elapsedMs();
      if (isWhole) route.keptUntilMs = this.#answeredAtMs + KEPT_AT_MOST_MS;
      return { reply };
    } catch (error) {
      if (exchange.brokenOff !== undefined) return { fault: BROKEN_OFF[exchange.brokenOff] };
      const othersAnswer = this.#clock.elapsedMs() - this.#answeredAtMs < WAY_OUT_SHOWN_MS;
      const fault = fetchFault(error, othersAnswer);
      return { fault: isAnswered ? { ...fault, isBroken: false } : fault };
    }
  }

  #initOf(
    { headers, body }: WebhookRequest,
    { host, authorization }: Destination,
    { session }: Route,
    { signal }: Exchange,
  ): BunFetchRequestInit {
    return {
      method: "POST",
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...headers,
        host,
        "user-agent": this.#userAgent,
      },
      body,
      redirect: "manual",
      // Asks for no encoding, and unpacks none: a small body cannot become a large one.
      decompress: false,
      proxy: false,
      session,
      signal,
    };
  }

  #destinationOf(url: string): Destination | undefined {
    const known = this.#destinations.get(url);
    if (known !== undefined) return known;
    const destination = destinationOf(url);
    if (destination !== undefined) this.#destinations.add(url, destination);
    return destination;
  }

  #routeOf({ origin, isSecure, name, resolution }: Destination): Route {
    const known = this.#routes.get(origin);
    if (known !== undefined) return known;
    // No name is asked for at an address, and its certificate is verified for the address.
    const asked = resolution === undefined ? { serverName: name.replace(/\.$/, "") } : {};
    const session = new Bun.FetchSession({
      keepAlive: { idleTimeout: KEEP_IDLE_SECONDS },
      ...(isSecure ? { tls: { ...this.#tls, ...asked } } : {}),
    });
    const route: Route = { session, ways: NOT_JUDGED, keptUntilMs: -Infinity };
    this.#routes.add(origin, route);
    return route;
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
