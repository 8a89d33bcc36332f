import { Child, LOAD_CORE } from "./child.ts";
import { compile } from "./compile.ts";

/** What the load generator saw of one command. */
export interface Measurement {
  readonly serverCpuNs: number;
  readonly elapsedNs: number;
  /** How long the load generator itself was at work: near `elapsedNs` means that it was the bottleneck. */
  readonly busyNs: number;
  readonly samples: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
  readonly requests: number;
  readonly deliveries: number;
  readonly frameBytesMin: number;
  readonly frameBytesMax: number;
  /** Frames that were no delivery and no answer to what was asked, such as subscription counts. */
  readonly others: number;
}

export type RunMode =
  | { readonly kind: "group"; readonly size: number }
  | { readonly kind: "closed"; readonly connections: number }
  | {
      readonly kind: "paced";
      readonly connections: number;
      readonly requestsPerSecond: number;
      readonly seed: number;
    };

export interface ConnectOptions {
  readonly sockets: number;
  readonly channels: number;
  readonly channelPrefix: string;
  readonly appKey: string;
}

const CONNECTS_IN_FLIGHT = 64;

/** The C program in `load/`, attached to one server. */
export class Load {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  static async start(port: number, serverPid: number, block: boolean): Promise<Load> {
    const program = await compile("load");
    const mode = block ? "block" : "spin";
    return new Load(
      new Child([program, String(port), String(serverPid), mode], { core: LOAD_CORE }),
    );
  }

  connect(options: ConnectOptions): Promise<Measurement> {
    const { sockets, channels, channelPrefix, appKey } = options;
    return this.#command(
      `connect ${sockets} ${channels} ${CONNECTS_IN_FLIGHT} ${channelPrefix} ${appKey}`,
    );
  }

  /** Shows the server that every socket is alive, so that none is closed for its silence in a long run. */
  ping(): Promise<Measurement> {
    return this.#command("ping");
  }

  close(): Promise<Measurement> {
    return this.#command("close");
  }

  run(requestFile: string, mode: RunMode): Promise<Measurement> {
    switch (mode.kind) {
      case "group":
        return this.#command(`run ${requestFile} group ${mode.size}`);
      case "closed":
        return this.#command(`run ${requestFile} closed ${mode.connections}`);
      case "paced":
        return this.#command(
          `run ${requestFile} paced ${mode.connections} ${mode.requestsPerSecond} ${mode.seed}`,
        );
    }
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  async #command(line: string): Promise<Measurement> {
    this.#child.write(line);
    const answer = await this.#child.nextLine();
    if (answer === null) throw new Error(`the load generator ended: ${this.#child.lastWords}`);
    const [head = "", message = ""] = answer.split(" message=", 2);
    if (!head.startsWith("ok ")) throw new Error(message || answer);
    const fields = new Map(head.split(" ").map((field) => field.split("=", 2) as [string, string]));
    const number = (name: string): number => {
      const text = fields.get(name);
      if (text === undefined) throw new Error(`the load generator left out ${name}: ${answer}`);
      return Number(text);
    };
    return {
      serverCpuNs: number("serverCpuNs"),
      elapsedNs: number("elapsedNs"),
      busyNs: number("busyNs"),
      samples: number("samples"),
      p50Ns: number("p50Ns"),
      p99Ns: number("p99Ns"),
      maxNs: number("maxNs"),
      requests: number("requests"),
      deliveries: number("deliveries"),
      frameBytesMin: number("frameBytesMin"),
      frameBytesMax: number("frameBytesMax"),
      others: number("others"),
    };
  }
}
