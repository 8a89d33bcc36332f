import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { Child, LOAD_CORE } from "./child.ts";
import { compile, scratchFile } from "./compile.ts";
import { freePort } from "./contestant.ts";

/** What the sink saw since the last `expect`. */
export interface Arrivals {
  readonly requests: number;
  /** Events that came again: at least once is what is promised, and not more than that asked for. */
  readonly repeats: number;
  readonly connections: number;
  /** Connections to the port that never answers. */
  readonly hanging: number;
  /** Of these and those before, the ones that are still open. */
  readonly openHanging: number;
  readonly firstNs: number;
  readonly lastNs: number;
  /** How long the sink itself was at work. */
  readonly busyNs: number;
}

const STALL_MS = 15_000;

/** Where its ports are: every address of it. */
export const LOOPBACK_NETWORK = "127.0.0.0/8";

/** The C program in `sink/`: the endpoints of all webhooks. */
export class Sink {
  readonly port: number;
  readonly hangingPort: number;
  readonly #child: Child;

  private constructor(child: Child, port: number, hangingPort: number) {
    this.#child = child;
    this.port = port;
    this.hangingPort = hangingPort;
  }

  static async start(): Promise<Sink> {
    const program = await compile("sink");
    const [port, hangingPort] = [await freePort(), await freePort()];
    const child = new Child([program, String(port), String(hangingPort)], { core: LOAD_CORE });
    const sink = new Sink(child, port, hangingPort);
    await sink.#answer();
    return sink;
  }

  /** Forgets what came; from here on it waits for `count` events, with ids from `firstId` on. */
  async expect(firstId: number, count: number): Promise<void> {
    await this.#command(`expect ${firstId} ${count}`);
  }

  /** Resolves when every event that is expected has come; rejects when none came for a while. */
  untilArrived(): Promise<Arrivals> {
    return this.#command(`await ${STALL_MS}`);
  }

  /** What it saw so far. */
  look(): Promise<Arrivals> {
    return this.#command("look");
  }

  /** When each of the expected events came first, by `monotonicNs`; 0 for never. */
  async arrivalTimesNs(): Promise<number[]> {
    const file = scratchFile(`times-${randomUUID()}`);
    try {
      await this.#command(`times ${file}`);
      return Array.from(new BigUint64Array(await Bun.file(file).arrayBuffer()), Number);
    } finally {
      await rm(file, { force: true });
    }
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  #command(line: string): Promise<Arrivals> {
    this.#child.write(line);
    return this.#answer();
  }

  async #answer(): Promise<Arrivals> {
    const answer = await this.#child.nextLine();
    if (answer === null) throw new Error(`the sink ended: ${this.#child.lastWords}`);
    const fields = new Map(
      answer.split(" ").map((field) => field.split("=", 2) as [string, string]),
    );
    const number = (name: string): number => Number(fields.get(name) ?? Number.NaN);
    if (!answer.startsWith("ok ")) {
      throw new Error(
        fields.has("arrived")
          ? `nothing came any more after ${number("arrived")} events in ${number("requests")} requests`
          : `the sink: ${answer}`,
      );
    }
    return {
      requests: number("requests"),
      repeats: number("repeats"),
      connections: number("connections"),
      hanging: number("hanging"),
      openHanging: number("openHanging"),
      firstNs: number("firstNs"),
      lastNs: number("lastNs"),
      busyNs: number("busyNs"),
    };
  }
}
