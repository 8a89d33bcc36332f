import type { SenderWork } from "./figures.ts";
import { FullLoadRate } from "./full-load-rate.ts";
import type { Clock } from "./ports/clock.ts";
import type { Fleet } from "./ports/fleet.ts";

const INTERVAL_MS = 2_000;
/** Of four reports one may be lost, and one late, before the sender is taken for dead. */
const TTL_MS = 4 * INTERVAL_MS;
/** What a report may hold of them. More at once are an outage of our own, and the rest count as deliverable. */
const MAX_BLOCKED_ENDPOINTS = 10_000;
/** In less, CPU time comes in steps that are too coarse. It is counted the next time. */
const LEAST_INTERVAL_MS = 500;
/** The store may be away; then the report ends by itself. */
const WITHDRAW_TIMEOUT_MS = 1_000;

/** What a reporter tells of: a `Sender`. */
export interface Reported {
  work(): SenderWork;
  blockedEndpoints(): Iterable<string>;
}

export interface ReporterDependencies {
  readonly sender: Reported;
  readonly fleet: Fleet;
  readonly clock: Clock;
  /** Of this life of this process. */
  readonly senderId: string;
  readonly version: string;
  readonly slots: number;
  /** How much of a CPU the process may use. */
  readonly cpuAllowance: number;
  /** CPU time that the process has used. What it does beside sending counts as well. */
  cpuMs(): number;
}

/**
 * Tells the fleet how this sender fares: every two seconds from the start until it is stopped.
 *
 * Its utilisation is what is scarcest: CPU, or slots. Slots that failing endpoints hold are no work: more senders would only
 * hold more of them. Nor is the CPU that goes into being there (each sender is woken for all jobs, of which another takes most):
 * of that, more senders would only use more. So its CPU counts as far as its deliveries account for it.
 */
export class Reporter {
  readonly #dependencies: ReporterDependencies;
  readonly #rate: FullLoadRate;
  #last: { readonly atMs: number; readonly cpuMs: number } & SenderWork;
  #cancel: (() => void) | undefined;
  #reporting: Promise<void> | undefined;
  #isStopped = false;

  constructor(dependencies: ReporterDependencies) {
    this.#dependencies = dependencies;
    this.#rate = new FullLoadRate(dependencies.cpuAllowance);
    this.#last = this.#measured();
  }

  start(): void {
    if (!this.#isStopped) this.#turn();
  }

  /** Resolves when the fleet does not count on the sender any more, or cannot be told. Never rejects. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancel?.();
    const { clock, fleet, senderId } = this.#dependencies;
    let cancel: () => void = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(WITHDRAW_TIMEOUT_MS, resolve);
    });
    // A report that is under way must not come behind it.
    const withdrawn = Promise.resolve(this.#reporting).then(() => fleet.withdraw(senderId));
    await Promise.race([withdrawn.catch(() => {}), late]);
    cancel();
  }

  #turn(): void {
    this.#cancel = this.#dependencies.clock.after(INTERVAL_MS, () => this.#turn());
    // A store that is away keeps one report waiting, not all.
    if (this.#reporting !== undefined) return;
    this.#reporting = this.#report().finally(() => {
      this.#reporting = undefined;
    });
  }

  async #report(): Promise<void> {
    const { fleet, sender, senderId, version, slots } = this.#dependencies;
    const utilisation = this.#measure();
    const blockedEndpoints: string[] = [];
    for (const endpointId of sender.blockedEndpoints()) {
      if (blockedEndpoints.length === MAX_BLOCKED_ENDPOINTS) break;
      blockedEndpoints.push(endpointId);
    }
    const { perSecond: fullRate, isMeasured } = this.#rate;
    const report = {
      senderId,
      version,
      slots,
      utilisation,
      fullRate,
      isMeasured,
      blockedEndpoints,
    };
    try {
      await fleet.report(report, TTL_MS);
    } catch {
      // Whoever needs the store notices that it is away, and says so. The next report tells all that this one did.
    }
  }

  /** Answers the utilisation since the last time, from 0 to 1. */
  #measure(): number {
    const { cpuAllowance } = this.#dependencies;
    const [last, now] = [this.#last, this.#measured()];
    const lengthMs = now.atMs - last.atMs;
    if (lengthMs < LEAST_INTERVAL_MS) return 0;
    this.#last = now;
    const ofCpu = (now.cpuMs - last.cpuMs) / (lengthMs * cpuAllowance);
    const ofSlots = (now.slotLoadMs - last.slotLoadMs) / lengthMs;
    const answered = now.answered - last.answered;
    this.#rate.note({ lengthMs, answered, utilisation: shareOf(Math.max(ofCpu, ofSlots)) });
    const ofDeliveries = (answered * 1_000) / lengthMs / this.#rate.best;
    return shareOf(Math.max(Math.min(ofCpu, ofDeliveries), ofSlots));
  }

  #measured(): { readonly atMs: number; readonly cpuMs: number } & SenderWork {
    const { clock, sender, cpuMs } = this.#dependencies;
    return { atMs: clock.elapsedMs(), cpuMs: cpuMs(), ...sender.work() };
  }
}

function shareOf(value: number): number {
  return Math.min(1, Math.max(0, value));
}
