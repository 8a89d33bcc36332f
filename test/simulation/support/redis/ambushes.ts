import type { Script } from "../../../../src/stores/redis/script.ts";
import type { Random } from "../random.ts";
import type { SimulatedProcess } from "../simulated-process.ts";

/** Of a call: it is on its way to the server; or it was done, and the answer is not on its way yet. */
export type Moment = "sent" | "done";

interface Ambush {
  readonly script: string;
  readonly moment: Moment;
  readonly happen: () => void;
}

/** Puts faults where they hurt: in the middle of a call. Rare calls are met as often as those that are made all the time. */
export class Ambushes {
  readonly #random: Random;
  readonly #used = new Map<SimulatedProcess, Set<string>>();
  readonly #waiting = new Map<SimulatedProcess, Ambush>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Around the next call of some script that the process has used before; answers which. */
  lay(process: SimulatedProcess, moment: Moment, happen: () => void): string | undefined {
    const script = this.#random.pick([...(this.#used.get(process) ?? [])]);
    if (script !== undefined) this.#waiting.set(process, { script, moment, happen });
    return script;
  }

  /** The call has come to that moment. */
  spring(process: SimulatedProcess, { name }: Script, moment: Moment): void {
    const used = this.#used.get(process) ?? new Set();
    this.#used.set(process, used.add(name));
    const ambush = this.#waiting.get(process);
    if (ambush?.script !== name || ambush.moment !== moment) return;
    this.#waiting.delete(process);
    ambush.happen();
  }

  forget(): void {
    this.#waiting.clear();
  }
}
