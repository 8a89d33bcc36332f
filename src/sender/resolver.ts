import type { Clock } from "./ports/clock.ts";
import { LruMap } from "./lru-map.ts";

export interface FoundAddress {
  readonly address: string;
  /** How long it may be kept, as its name server says; 0 where that is not known. */
  readonly ttlMs: number;
}

/** Asks the name service. A name without addresses is an empty answer; a service that fails is a rejection. */
export type Lookup = (name: string) => Promise<readonly FoundAddress[]>;

export type Resolution =
  | { readonly addresses: readonly [string, ...string[]]; readonly fault?: never }
  | { readonly fault: string; readonly addresses?: never };

interface Entry {
  resolution: Resolution;
  /** From then on a use asks again. Never later than `servedUntilMs`. */
  refreshAtMs: number;
  /** From then on a use waits for the answer. */
  servedUntilMs: number;
  /** So long the addresses stand in for a name service that fails. */
  staleUntilMs: number;
  pending: Promise<Resolution> | undefined;
}

const MAX_NAMES = 10_000;
const MIN_TTL_MS = 5_000;
const MAX_TTL_MS = 60_000;
const STALE_MS = 10 * 60 * 1_000;
/** A name that is not there, and a name service that fails, is asked again after this. */
const RETRY_MS = 2_000;
/** While the name service fails, no use waits for it: longer than one look-up takes, and its retry. */
const SERVED_WHILE_FAILING_MS = 30_000;
const LOOKUP_TIMEOUT_MS = 5_000;

/**
 * Names to addresses, remembered.
 *
 *   unknown ──▶ fresh ──▶ refreshing ──▶ fresh           asked again at half its time, by a use that does not wait
 *      │          ▲           └────────▶ stale ──▶ fresh  the service fails: the old addresses go on, up to 10 minutes
 *      └──────▶ failed ──────────────────┘                no addresses: asked again 2 s later
 *
 * One look-up of a name at a time, however many want it. That the service says there is no such name is an answer like
 * another: it ends the old addresses.
 */
export class Resolver {
  readonly #lookup: Lookup;
  readonly #clock: Clock;
  readonly #entries: LruMap<string, Entry>;

  constructor(lookup: Lookup, clock: Clock, maxNames = MAX_NAMES) {
    this.#lookup = lookup;
    this.#clock = clock;
    this.#entries = new LruMap(maxNames);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Answers in the caller's turn when it can: on the hot path nothing waits. Never rejects. */
  resolve(name: string): Resolution | Promise<Resolution> {
    const entry = this.#entryOf(name);
    const nowMs = this.#clock.elapsedMs();
    if (nowMs < entry.refreshAtMs) return entry.resolution;
    entry.pending ??= this.#ask(name, entry);
    return nowMs < entry.servedUntilMs ? entry.resolution : entry.pending;
  }

  /** The address could not be reached: another one of the name comes first from now on. */
  demote(name: string, address: string): void {
    const entry = this.#entryOf(name);
    const addresses = entry.resolution.addresses;
    // Requests that were under way together fail together; only the first of them moves it.
    if (addresses === undefined || addresses[0] !== address) return;
    const [first, second, ...others] = addresses;
    if (second !== undefined) entry.resolution = { addresses: [second, ...others, first] };
  }

  #entryOf(name: string): Entry {
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    const entry: Entry = {
      resolution: { fault: "was never looked up" },
      refreshAtMs: -Infinity,
      servedUntilMs: -Infinity,
      staleUntilMs: -Infinity,
      pending: undefined,
    };
    this.#entries.add(name, entry);
    return entry;
  }

  #ask(name: string, entry: Entry): Promise<Resolution> {
    return new Promise((resolve) => {
      let isWaiting = true;
      const end = (fault?: string): void => {
        if (!isWaiting) return;
        isWaiting = false;
        cancel();
        if (fault !== undefined) this.#failed(entry, fault);
        entry.pending = undefined;
        resolve(entry.resolution);
      };
      const cancel = this.#clock.after(LOOKUP_TIMEOUT_MS, () =>
        end(`the name service gave no answer within ${LOOKUP_TIMEOUT_MS / 1_000} s`),
      );
      this.#lookup(name).then(
        (found) => {
          // An answer that comes too late for who waited is still the newest there is.
          this.#found(entry, found);
          end();
        },
        (error: unknown) => end(`the name service failed (${reasonOf(error)})`),
      );
    });
  }

  #found(entry: Entry, found: readonly FoundAddress[]): void {
    const nowMs = this.#clock.elapsedMs();
    const addresses = [...new Set(found.map(({ address }) => address))];
    if (!isNotEmpty(addresses)) return this.#remember(entry, { fault: "there is no such name" });
    const shortestMs = Math.min(...found.map(({ ttlMs }) => ttlMs));
    const ttlMs = Math.min(Math.max(shortestMs, MIN_TTL_MS), MAX_TTL_MS);
    entry.resolution = { addresses: inOrderOf(entry.resolution.addresses, addresses) };
    entry.refreshAtMs = nowMs + ttlMs / 2;
    entry.servedUntilMs = nowMs + ttlMs;
    entry.staleUntilMs = entry.servedUntilMs + STALE_MS;
  }

  #failed(entry: Entry, fault: string): void {
    const nowMs = this.#clock.elapsedMs();
    if (nowMs >= entry.staleUntilMs) return this.#remember(entry, { fault });
    entry.refreshAtMs = Math.min(nowMs + RETRY_MS, entry.staleUntilMs);
    entry.servedUntilMs = Math.min(nowMs + SERVED_WHILE_FAILING_MS, entry.staleUntilMs);
  }

  /** An answer without addresses: it serves until it is asked again, and nothing old stands behind it. */
  #remember(entry: Entry, resolution: Resolution): void {
    entry.resolution = resolution;
    entry.refreshAtMs = entry.servedUntilMs = this.#clock.elapsedMs() + RETRY_MS;
    entry.staleUntilMs = -Infinity;
  }
}

/**
 * The addresses found, beginning with the one that is in use: name servers turn their answers round, and following them
 * would give every connection up. The very same list where nothing changed, so that what was derived from it still holds.
 */
function inOrderOf(
  current: readonly [string, ...string[]] | undefined,
  found: readonly [string, ...string[]],
): readonly [string, ...string[]] {
  if (current === undefined) return found;
  const first = found.indexOf(current[0]);
  const turned = [...found.slice(first), ...found.slice(0, Math.max(first, 0))];
  if (first === -1 || !isNotEmpty(turned)) return found;
  const isSame =
    turned.length === current.length &&
    turned.every((address, index) => address === current[index]);
  return isSame ? current : turned;
}

function isNotEmpty(list: readonly string[]): list is readonly [string, ...string[]] {
  return list.length > 0;
}

function reasonOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "for no reason it told";
}
