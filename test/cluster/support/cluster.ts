import { execFile } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../../e2e/support/ringmaster.ts";
import { eventually } from "../../e2e/support/wait.ts";

const TOOLS = join(ROOT, "deploy", "cluster");
/** An image that starts on two busy cores, a drain that ends, a lost node that is given up: all within this. */
const SETTLED_WITHIN_MS = 300_000;

export interface Pod {
  readonly name: string;
  readonly ring: string;
  readonly node: string;
  readonly uid: string;
  /** It has been told to end. */
  readonly isEnding: boolean;
  readonly isReady: boolean;
  readonly restarts: number;
}

interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

/** The cluster that deploy/cluster/up has started, and one release of the chart in it. */
export class Cluster {
  readonly namespace: string;
  readonly release: string;

  constructor(namespace: string, release: string) {
    this.namespace = namespace;
    this.release = release;
  }

  /** Why there is none, where there is none. */
  static async whyNot(): Promise<string | undefined> {
    return await run(join(TOOLS, "kubectl"), ["get", "nodes"]).then(
      () => undefined,
      (error: unknown) => `no cluster answers (deploy/cluster/up): ${String(error)}`,
    );
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return run(join(TOOLS, "kubectl"), ["--namespace", this.namespace, ...args]);
  }

  /** A command of deploy/cluster. */
  tool(name: "node" | "load", ...args: readonly string[]): Promise<string> {
    return run(join(TOOLS, name), args);
  }

  /** Installs the chart, or upgrades it, with these values. Does not wait. */
  async apply(values: string, ...more: readonly string[]): Promise<void> {
    const chart = join(ROOT, "deploy", "helm", "ringmaster");
    const place = ["--namespace", this.namespace, "--create-namespace", "--values", values];
    const command = ["upgrade", "--install", this.release, chart, ...place, ...more];
    await run("bash", ["-c", 'eval "$(deploy/cluster/env)"; exec helm "$@"', "helm", ...command]);
  }

  async pods(ring?: string): Promise<Pod[]> {
    const selector = `app.kubernetes.io/instance=${this.release}`;
    const told = await this.kubectl("get", "pods", "--selector", selector, "--output", "json");
    const { items } = JSON.parse(told) as { readonly items: readonly PodObject[] };
    return items.map(podOf).filter((pod) => ring === undefined || pod.ring === ring);
  }

  /** Resolves when the ring has so many pods, all ready, and none that still ends. */
  async settled(ring: string, replicas: number): Promise<void> {
    await eventually(
      `${replicas} pods of ${ring}`,
      async () => {
        const pods = await this.pods(ring);
        return (
          pods.length === replicas && pods.every(({ isReady, isEnding }) => isReady && !isEnding)
        );
      },
      SETTLED_WITHIN_MS,
    );
  }

  /** As many as the Deployment of the ring wants. */
  async replicas(ring: string): Promise<number> {
    const path = "jsonpath={.spec.replicas}";
    return Number(await this.kubectl("get", "deployment", this.#deployment(ring), "-o", path));
  }

  async scale(ring: string, replicas: number): Promise<void> {
    await this.kubectl("scale", "deployment", this.#deployment(ring), `--replicas=${replicas}`);
  }

  /** Replaces every pod of the ring, as a new version does. */
  async restart(ring: string): Promise<void> {
    await this.kubectl("rollout", "restart", `deployment/${this.#deployment(ring)}`);
  }

  async rolledOut(ring: string): Promise<void> {
    const timeout = `--timeout=${SETTLED_WITHIN_MS / 1_000}s`;
    await this.kubectl("rollout", "status", `deployment/${this.#deployment(ring)}`, timeout);
    await this.settled(ring, await this.replicas(ring));
  }

  /** What some pod behind the Service says of itself, of figures that all tell alike; undefined where it does not. */
  async figure(service: string, name: string): Promise<number | undefined> {
    const path = `/api/v1/namespaces/${this.namespace}/services/${service}:9601/proxy/metrics`;
    const lines = (await this.kubectl("get", "--raw", path)).split("\n");
    const value = lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1);
    return value === undefined ? undefined : Number(value);
  }

  async nodePort(service: string): Promise<number> {
    const path = "jsonpath={.spec.ports[0].nodePort}";
    return Number(await this.kubectl("get", "service", service, "-o", path));
  }

  async nodeAddresses(): Promise<string[]> {
    const path = 'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}';
    return (await this.kubectl("get", "nodes", "-o", path)).split(" ");
  }

  #deployment(ring: string): string {
    return `${this.release}-${ring}`;
  }
}

function podOf({ metadata, spec, status }: PodObject): Pod {
  return {
    name: metadata.name,
    uid: metadata.uid,
    ring: metadata.labels["app.kubernetes.io/component"] ?? "",
    node: spec.nodeName ?? "",
    isEnding: metadata.deletionTimestamp !== undefined,
    isReady:
      status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false,
    restarts: (status.containerStatuses ?? []).reduce(
      (sum, { restartCount }) => sum + restartCount,
      0,
    ),
  };
}

/** Answers standard output; rejects with what was said on the other. */
export function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: ROOT, maxBuffer: 64 * 1_024 * 1_024 };
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} ${args.join(" ")}: ${stderr.trim() || error.message}`));
    });
  });
}
