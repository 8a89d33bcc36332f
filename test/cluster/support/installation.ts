import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { AppEntry } from "../../e2e/support/apps.ts";
import { Cluster } from "./cluster.ts";
import { Front } from "./front.ts";

/** Where pods find this machine. */
export const HOST = "10.77.0.1";
/** The API server among them, by way of which the trials read figures. */
const MACHINES = "10.77.0.0/24";

const NAMESPACE = "trial";
const RELEASE = "ringmaster";
const IMAGE = process.env.RM_TRIAL_IMAGE ?? "localhost/ringmaster:0.1.0";
const REDIS_IMAGE = "localhost/ringmaster-cluster/redis:1";
/** What pods ask for must fit on two small nodes, fifteen senders and all. */
const SMALL = { requests: { cpu: "20m", memory: "96Mi" }, limits: { memory: "512Mi" } };
const TOLERATIONS = ["not-ready", "unreachable"].map((taint) => ({
  key: `node.kubernetes.io/${taint}`,
  operator: "Exists",
  effect: "NoExecute",
  tolerationSeconds: 10,
}));

export interface InstallationPlan {
  readonly app: AppEntry;
  readonly channels: number;
  /** Beside what all trials have. */
  readonly sender: Readonly<Record<string, unknown>>;
}

/** One release of the chart, installed for a test. */
export class Installation {
  readonly cluster: Cluster;
  readonly #file: string;

  private constructor(cluster: Cluster, file: string) {
    this.cluster = cluster;
    this.#file = file;
  }

  /** Resolves when its channels and packagers are ready. The sender is the test's. */
  static async make(t: TestContext, plan: InstallationPlan): Promise<Installation> {
    const folder = mkdtempSync(join(tmpdir(), "ringmaster-trial-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "values.json");
    writeFileSync(file, JSON.stringify(valuesOf(plan)));
    const cluster = new Cluster(NAMESPACE, RELEASE);
    await cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait");
    const installation = new Installation(cluster, file);
    await installation.upgrade();
    await cluster.settled("channels", plan.channels);
    await cluster.settled("packager", 2);
    return installation;
  }

  /** Of values that are set on top. */
  async upgrade(...settings: readonly string[]): Promise<void> {
    await this.cluster.apply(this.#file, ...settings.flatMap((setting) => ["--set", setting]));
  }

  /** A load balancer before the nodes, for one test. */
  async front(t: TestContext): Promise<Front> {
    const nodePort = await this.cluster.nodePort(RELEASE);
    const front = await Front.listen(await this.cluster.nodeAddresses(), nodePort);
    t.after(() => front.close());
    return front;
  }

  /** The command line in a sender's pod. */
  ringmaster(...args: readonly string[]): Promise<string> {
    return this.cluster.kubectl(
      "exec",
      `deployment/${RELEASE}-sender`,
      "--",
      "ringmaster",
      ...args,
    );
  }
}

function valuesOf({ app, channels, sender }: InstallationPlan): object {
  const [repository, tag] = splitImage(IMAGE);
  return {
    image: { repository, tag, pullPolicy: "Never" },
    config: { apps: [app] },
    networkPolicy: {
      // Where the name service of this cluster listens, behind its Service.
      dnsPorts: [1_053],
      opsFrom: [
        { podSelector: {} },
        { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "keda" } } },
        { ipBlock: { cidr: MACHINES } },
      ],
    },
    redis: {
      bundled: {
        image: REDIS_IMAGE,
        pullPolicy: "Never",
        command: ["redis-server"],
        resources: SMALL,
      },
    },
    channels: {
      replicas: channels,
      resources: SMALL,
      tolerations: TOLERATIONS,
      service: { type: "NodePort", externalTrafficPolicy: "Local" },
      drain: { preStopSeconds: 3, noticeSeconds: 2, windowSeconds: 20, overrunSeconds: 10 },
    },
    packager: { replicas: 2, resources: SMALL, tolerations: TOLERATIONS },
    sender: { tolerations: TOLERATIONS, allowedNetworks: [`${HOST}/32`], ...sender },
  };
}

export function splitImage(image: string): [repository: string, tag: string] {
  const at = image.lastIndexOf(":");
  return [image.slice(0, at), image.slice(at + 1)];
}
