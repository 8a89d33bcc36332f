import { AppLoad } from "./app-load.ts";
import { FIRST_LIMIT } from "./concurrency-limit.ts";
import { fairShare } from "./fair-share.ts";
import { Lane } from "./lane.ts";
import type { SenderSettings } from "./settings.ts";

const FORGET_HEALTHY_AFTER_MS = 10 * 60 * 1_000;
/** Far longer than any breaker stays open: by then nobody sends to it, and its state says nothing any more. */
const FORGET_FAILING_AFTER_MS = 60 * 60 * 1_000;

/**
 * The slots of this process, and who may have the next.
 *
 * An endpoint is held to its own limit (`Lane`), and its app to a fair share of the free slots, which holds for the endpoint
 * as well: it never has more than its app. All endpoints that failed when last heard of share like one app between them: a
 * hundred that hang, one request each, would hold every slot otherwise.
 *
 * A slot is taken when the engine says so, within a lease call; when the call has answered, what was taken is let go and the
 * requests begin, in the same turn. An endpoint that was well when last heard of is forgotten, so that memory follows those
 * who receive, not those who ever did.
 */
export class Lanes {
  readonly #slots: number;
  readonly #maxConcurrency: number;
  /** By endpoint id. */
  readonly #lanes = new Map<string, Lane>();
  readonly #apps = new Map<string, AppLoad>();
  readonly #takenBy: Lane[] = [];
  #inFlight = 0;
  #taken = 0;
  /** In flight to endpoints that fail, or taken for them. */
  #heldByFailing = 0;
  /** With a request under way. */
  #activeApps = 0;
  #slotLoadMs = 0;
  #notedAtMs = 0;

  constructor({ slots, endpointConcurrency }: SenderSettings) {
    this.#slots = slots;
    this.#maxConcurrency = endpointConcurrency;
  }

  get size(): number {
    return this.#lanes.size;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get free(): number {
    return this.#slots - this.#inFlight - this.#taken;
  }

  /**
   * For how long the slots were at full load since the start; while endpoints that are well hold half of the slots that they
   * could, half as fast as time goes. They could not hold all: one app has half of them at most, two have two thirds (`fairShare`).
   */
  slotLoadMs(nowMs: number): number {
    this.#noteLoad(nowMs);
    return this.#slotLoadMs;
  }

  all(): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  apps(): IterableIterator<AppLoad> {
    return this.#apps.values();
  }

  /** How many more requests the endpoint may have, also one that has no lane. */
  room(appId: string, endpointId: string, nowMs: number): number {
    const lane = this.#lanes.get(endpointId);
    if (lane !== undefined) return this.roomOf(lane, nowMs);
    const app = this.#apps.get(appId);
    return Math.min(FIRST_LIMIT, this.#maxConcurrency, this.#shareOf(app));
  }

  roomOf(lane: Lane, nowMs: number): number {
    const share = this.#shareOf(lane.app);
    const failingShare = lane.isFailing ? fairShare(this.#heldByFailing, this.free) : share;
    return Math.max(0, Math.min(lane.room(nowMs), share, failingShare));
  }

  /** The endpoint's lane, made when it has none. */
  lane(appId: string, endpointId: string, nowMs: number): Lane {
    let lane = this.#lanes.get(endpointId);
    if (lane === undefined) {
      lane = new Lane(this.#app(appId), endpointId, this.#maxConcurrency, nowMs);
      this.#lanes.set(endpointId, lane);
    }
    return lane;
  }

  take(lane: Lane, count: number): void {
    if (lane.taken === 0) this.#takenBy.push(lane);
    lane.taken += count;
    lane.app.taken += count;
    this.#taken += count;
    if (lane.isFailing) this.#heldByFailing += count;
  }

  letGoOfTaken(): void {
    for (const lane of this.#takenBy) {
      lane.app.taken -= lane.taken;
      if (lane.isFailing) this.#heldByFailing -= lane.taken;
      lane.taken = 0;
    }
    this.#takenBy.length = 0;
    this.#taken = 0;
  }

  /** A request begins, for which there was room. Tells whether it is the breaker's probe. */
  begin(lane: Lane, nowMs: number): boolean {
    this.#noteLoad(nowMs);
    if (lane.app.inFlight === 0) this.#activeApps++;
    this.#inFlight++;
    lane.inFlight++;
    lane.app.inFlight++;
    if (lane.isFailing) this.#heldByFailing++;
    lane.usedAtMs = nowMs;
    return lane.breaker.begin();
  }

  end(lane: Lane, nowMs: number): void {
    this.#noteLoad(nowMs);
    this.#inFlight--;
    lane.inFlight--;
    lane.app.inFlight--;
    if (lane.app.inFlight === 0) this.#activeApps--;
    if (lane.isFailing) this.#heldByFailing--;
    lane.usedAtMs = nowMs;
  }

  /** To be called when the endpoint was heard of. */
  noteHealth(lane: Lane): void {
    if (lane.isFailing !== lane.isHealthy) return;
    lane.isFailing = !lane.isHealthy;
    const held = lane.inFlight + lane.taken;
    this.#heldByFailing += lane.isFailing ? held : -held;
  }

  forgetIdle(nowMs: number): void {
    for (const lane of this.#lanes.values()) {
      const keptMs = lane.isHealthy ? FORGET_HEALTHY_AFTER_MS : FORGET_FAILING_AFTER_MS;
      if (lane.inFlight + lane.taken === 0 && nowMs - lane.usedAtMs >= keptMs)
        this.#lanes.delete(lane.endpointId);
    }
  }

  /** To be called before a slot changes hands. A verdict on an endpoint follows on the end of a request, at the same moment. */
  #noteLoad(nowMs: number): void {
    const apps = Math.max(1, this.#activeApps);
    const most = (this.#slots * apps) / (apps + 1);
    const held = this.#inFlight + this.#taken - this.#heldByFailing;
    this.#slotLoadMs += (held / most) * (nowMs - this.#notedAtMs);
    this.#notedAtMs = nowMs;
  }

  #shareOf(app: AppLoad | undefined): number {
    return fairShare(app === undefined ? 0 : app.inFlight + app.taken, this.free);
  }

  #app(appId: string): AppLoad {
    let app = this.#apps.get(appId);
    if (app === undefined) {
      app = new AppLoad(appId);
      this.#apps.set(appId, app);
    }
    return app;
  }
}
