import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { CHART, helm, type HelmRun, KUBERNETES_VERSION, valuesFile } from "./helm.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly EnvironmentVariable[];
  readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
}

export interface PodSpec {
  readonly affinity?: Readonly<Record<string, unknown>>;
  readonly topologySpreadConstraints?: readonly { readonly topologyKey: string }[];
  readonly containers: readonly [Container];
  readonly terminationGracePeriodSeconds?: number;
  readonly volumes: readonly { readonly name: string; readonly secret?: { secretName: string } }[];
  readonly [field: string]: unknown;
}

/** A Deployment or a StatefulSet. */
export interface Workload extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly progressDeadlineSeconds?: number;
    readonly strategy: { readonly rollingUpdate: Readonly<Record<string, number | string>> };
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: {
        readonly labels: Readonly<Record<string, string>>;
        readonly annotations?: Readonly<Record<string, string>>;
      };
      readonly spec: PodSpec;
    };
  };
}

const RELEASE = "rm";
export const NAMESPACE = "realtime";
export const FULL_NAME = `${RELEASE}-ringmaster`;

/** The least that the chart asks for. */
export const ONE_APP = { defaultApp: { existingSecret: "app" } };

/** The objects of a release, as helm would install them. */
export class Release {
  readonly manifests: readonly Manifest[];
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
    // Kubernetes reads YAML 1.1, where `yes` and 0440 are something else than in 1.2.
    this.manifests = parseAllDocuments(text, { version: "1.1" })
      .map((document) => document.toJS() as Manifest | null)
      .filter((manifest) => manifest !== null);
  }

  /** Of a file of deploy/helm/values. */
  static ofFile(name: string): Release {
    return new Release(rendered(helm(...TEMPLATE, "--values", valuesFile(name))));
  }

  /** Of values on top of the chart's own. */
  static of(...values: readonly object[]): Release {
    return new Release(rendered(renderingOf(...values)));
  }

  all(kind: string): readonly Manifest[] {
    return this.manifests.filter((manifest) => manifest.kind === kind);
  }

  /** The one of that kind whose name is the release's and this: `-sender-canary`. */
  one(kind: string, suffix = ""): Manifest {
    const found = this.all(kind).find(({ metadata }) => metadata.name === FULL_NAME + suffix);
    if (found === undefined) throw new Error(`There is no ${kind} ${FULL_NAME}${suffix}.`);
    return found;
  }

  deployment(part: string): Workload {
    return this.one("Deployment", `-${part}`) as Workload;
  }

  container(part: string): Container {
    return this.deployment(part).spec.template.spec.containers[0];
  }

  /** The variables of a ring that have a value of their own. */
  environment(part: string): Readonly<Record<string, string>> {
    const { env } = this.container(part);
    return Object.fromEntries(
      env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
    );
  }

  /** The content of ringmaster.yaml. */
  get configuration(): string {
    const { stringData } = this.one("Secret", "-config") as unknown as {
      stringData: Record<string, string>;
    };
    return stringData["ringmaster.yaml"] ?? "";
  }
}

const TEMPLATE = [
  "template",
  RELEASE,
  CHART,
  "--namespace",
  NAMESPACE,
  "--kube-version",
  KUBERNETES_VERSION,
];

/** What helm makes of values, right or wrong. */
export function renderingOf(...values: readonly object[]): HelmRun {
  const folder = mkdtempSync(join(tmpdir(), "ringmaster-values-"));
  try {
    const files = values.map((some, index) => {
      const file = join(folder, `${index}.yaml`);
      writeFileSync(file, stringify(some));
      return file;
    });
    return helm(...TEMPLATE, ...files.flatMap((file) => ["--values", file]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function rendered({ ok, stdout, stderr }: HelmRun): string {
  if (!ok) throw new Error(stderr);
  return stdout;
}
