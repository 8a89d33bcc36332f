import { RedisFault, type RedisFaultKind } from "../../../../src/stores/redis/connection.ts";
import type { Random } from "../random.ts";
import type { SimulatedProcess } from "../simulated-process.ts";
import type { SimulatedTime } from "../simulated-time.ts";

/** What the network does to a command that was on its way when the connection broke. */
export const LATE_BY_AT_MOST_MS = 14_000;

export interface LinkSurroundings {
  readonly time: SimulatedTime;
  readonly random: Random;
  /** How long something is on its way. */
  latencyMs(): number;
  /** Does the work when the server comes to it; it may stand still. */
  atServer(work: () => void): void;
}

interface Request {
  readonly work: () => void;
  readonly reject: (fault: RedisFault) => void;
  arrivesAtMs: number;
  cancel: () => void;
  isAnswered: boolean;
}

/**
 * One TCP connection of a process to the server, from its beginning to its end. Each direction keeps its order.
 *
 * When it breaks, nobody knows which of the commands under way will still be done: some of those sent first are, now or
 * when much later ones of the next connection have been; their answers are lost.
 */
export class SimulatedLink {
  readonly #process: SimulatedProcess;
  readonly #around: LinkSurroundings;
  #requests: Request[] = [];
  #lastRequestAtMs = 0;
  #lastReplyAtMs = 0;
  #isOpen = true;

  constructor(process: SimulatedProcess, around: LinkSurroundings) {
    this.#process = process;
    this.#around = around;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** When the oldest of the commands that have no answer was sent; undefined where there is none. */
  get owesSinceMs(): number | undefined {
    return this.#requests[0]?.arrivesAtMs;
  }

  /** `work` is done at the server, and answers what is done here when the answer arrives. */
  send(work: () => () => void, reject: (fault: RedisFault) => void): void {
    const { time, latencyMs, atServer } = this.#around;
    this.#lastRequestAtMs = Math.max(this.#lastRequestAtMs, time.nowMs + latencyMs());
    const request: Request = {
      reject,
      work: () =>
        atServer(() => {
          const answered = work();
          this.deliver(() => {
            request.isAnswered = true;
            this.#requests = this.#requests.filter((one) => one !== request);
            answered();
          });
        }),
      arrivesAtMs: this.#lastRequestAtMs,
      cancel: () => {},
      isAnswered: false,
    };
    request.cancel = time.atInOrder(request.arrivesAtMs, request.work);
    this.#requests.push(request);
  }

  /** From the server to the process. */
  deliver(happen: () => void): void {
    if (!this.#isOpen) return;
    const { time, latencyMs } = this.#around;
    this.#lastReplyAtMs = Math.max(this.#lastReplyAtMs, time.nowMs + latencyMs());
    time.atInOrder(this.#lastReplyAtMs, () =>
      this.#process.enter(() => {
        if (this.#isOpen) happen();
      }),
    );
  }

  /** `loses`: also what was on its way, for the server is gone; or nothing, but all of it is late. */
  break(kind: RedisFaultKind, loses: "some" | "all" | "nothing"): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { time, random } = this.#around;
    const underWay = this.#requests.filter(({ arrivesAtMs }) => arrivesAtMs > time.nowMs);
    const kept = { some: random.below(underWay.length + 1), all: 0, nothing: underWay.length }[
      loses
    ];
    const isLate = loses === "nothing" || random.chance(0.5);
    const lateMs = isLate ? random.between(0, LATE_BY_AT_MOST_MS) : 0;
    for (const [i, request] of underWay.entries()) {
      if (i >= kept) request.cancel();
      else if (lateMs > 0) {
        request.cancel();
        time.atInOrder(request.arrivesAtMs + lateMs, request.work);
      }
    }
    const requests = this.#requests;
    this.#requests = [];
    this.#process.enter(() => {
      for (const { reject } of requests) reject(new RedisFault(kind, "The connection broke."));
    });
  }
}
