import type { AddressGuard } from "./address-guard.ts";
import { destinationOf, type Destination } from "./destination.ts";
import { Peer } from "./http/connection.ts";
import { openingOf } from "./http/request-text.ts";
import { secureContextOf, TlsPeer, type TlsIdentity } from "./http/tls-peer.ts";
import { LruMap } from "./lru-map.ts";
import { judgeAddresses, type Way } from "./ways.ts";

/** A URL, read once. */
export interface Place {
  readonly destination: Destination;
  /** The beginning of every request to it. */
  readonly opening: string;
  readonly route: Route;
}

/** The ways to an origin. */
export interface Route {
  readonly tls: TlsPeer | undefined;
  /** The addresses that were judged. */
  addresses: readonly string[];
  ways: readonly (Way & { readonly peer: Peer })[];
  /** Why there is no way, when there is none. */
  refusal: string;
}

const MAX_URLS = 10_000;
const MAX_ORIGINS = 10_000;
const NOBODY: TlsIdentity = { ca: null, cert: null, key: null };

/** What is known of URLs and origins, so that on the hot path nothing is parsed and no address is judged. */
export class Routes {
  readonly #guard: AddressGuard;
  readonly #userAgent: string;
  readonly #identity: TlsIdentity;
  #secureContext: unknown;
  readonly #places = new LruMap<string, Place>(MAX_URLS);
  readonly #routes = new LruMap<string, Route>(MAX_ORIGINS);

  /** Throws where what is configured for TLS cannot be read. */
  constructor({
    guard,
    userAgent,
    tls,
  }: {
    readonly guard: AddressGuard;
    readonly userAgent: string;
    readonly tls: TlsIdentity | undefined;
  }) {
    this.#guard = guard;
    this.#userAgent = userAgent;
    this.#identity = tls ?? NOBODY;
    // Reading all public authorities takes its time: without a configuration, not before there is a use for them.
    if (tls !== undefined && (tls.ca !== null || tls.cert !== null)) this.#secure();
  }

  /** Undefined where a webhook cannot be sent to such a URL. */
  placeOf(url: string): Place | undefined {
    const known = this.#places.get(url);
    if (known !== undefined) return known;
    const destination = destinationOf(url);
    if (destination === undefined) return undefined;
    const opening = openingOf(destination, this.#userAgent);
    const place = { destination, opening, route: this.#routeOf(destination) };
    this.#places.add(url, place);
    return place;
  }

  /** Makes the route one to these addresses, as far as the guard lets them through. */
  judge({ destination, route }: Place, addresses: readonly string[]): void {
    if (route.addresses === addresses) return;
    const { ways, refusal } = judgeAddresses(this.#guard, destination, addresses);
    route.addresses = addresses;
    route.refusal = refusal;
    const known = new Map(route.ways.map(({ dial, peer }) => [dial, peer]));
    route.ways = ways.map((way) => {
      // An address that stays keeps its connections.
      const peer = known.get(way.dial) ?? new Peer(way.dial, destination.port, route.tls);
      return { ...way, peer };
    });
  }

  #routeOf({ origin, isSecure, name, resolution }: Destination): Route {
    const known = this.#routes.get(origin);
    if (known !== undefined) return known;
    // No name is asked for at an address, and its certificate is verified for the address.
    const asked = resolution === undefined ? name.replace(/\.$/, "") : undefined;
    const tls = isSecure ? new TlsPeer(this.#secure(), asked) : undefined;
    const route: Route = { tls, addresses: [], ways: [], refusal: "" };
    this.#routes.add(origin, route);
    return route;
  }

  #secure(): unknown {
    this.#secureContext ??= secureContextOf(this.#identity);
    return this.#secureContext;
  }
}
