import { describe, expect, test } from "bun:test";
import { VALUE_FILES, whyNoHelm } from "./support/helm.ts";
import { NAMESPACE, ONE_APP, Release, type Manifest, type Workload } from "./support/release.ts";

type Labels = Readonly<Record<string, string>>;

interface Policy extends Manifest {
  readonly spec: { readonly podSelector: { readonly matchLabels: Labels } };
}

interface Service extends Manifest {
  readonly spec: {
    readonly selector: Labels;
    readonly ports: readonly {
      readonly name: string;
      readonly port: number;
      readonly targetPort: string;
    }[];
  };
}

// Objects find each other by names and labels, and Kubernetes says nothing when they do not.
describe.skipIf(whyNoHelm() !== undefined)("what is rendered hangs together", () => {
  const files = VALUE_FILES.map((file) => [file, Release.ofFile(file)] as const);
  const workloads = (release: Release): readonly Workload[] =>
    [...release.all("Deployment"), ...release.all("StatefulSet")] as Workload[];
  const podLabels = ({ spec }: Workload): Labels => spec.template.metadata.labels;
  const isSelected = (labels: Labels, selector: Labels): boolean =>
    Object.entries(selector).every(([name, value]) => labels[name] === value);
  const selectedBy = (release: Release, selector: Labels): readonly string[] =>
    workloads(release)
      .filter((workload) => isSelected(podLabels(workload), selector))
      .map(({ metadata }) => metadata.name.replace("rm-ringmaster-", ""));

  test.each(files)("%s: no two workloads take each other's pods", (_, release) => {
    for (const { metadata, spec } of workloads(release))
      expect(selectedBy(release, spec.selector.matchLabels)).toEqual([
        metadata.name.replace("rm-ringmaster-", ""),
      ]);
  });

  test.each(files)(
    "%s: each Service has the pods of one part, at a port that they have",
    (_, release) => {
      for (const { metadata, spec } of release.all("Service") as Service[]) {
        const part = metadata.labels?.["app.kubernetes.io/component"] ?? "";
        expect(selectedBy(release, spec.selector)).toEqual([part]);
        const [container] = (
          workloads(release).find((one) => isSelected(podLabels(one), spec.selector)) as Workload
        ).spec.template.spec.containers;
        const names = container.ports?.map(({ name }) => name);
        for (const { targetPort } of spec.ports) expect(names).toContain(targetPort);
      }
    },
  );

  test.each(files)(
    "%s: disruption budgets are of a ring each, canary included",
    (file, release) => {
      const covered = (release.all("PodDisruptionBudget") as unknown as Workload[]).map(
        ({ spec }) => selectedBy(release, spec.selector.matchLabels),
      );
      const canary = file === "canary" ? ["sender-canary"] : [];
      expect(covered.map((names) => names.toSorted()).toSorted()).toEqual([
        ["channels"],
        ["packager"],
        ["sender", ...canary],
      ]);
    },
  );

  test.each(files)("%s: whoever is mounted is a volume, and the other way round", (_, release) => {
    for (const { spec } of release.all("Deployment") as Workload[]) {
      const { volumes, containers } = spec.template.spec;
      const mounted = containers[0].volumeMounts.map(({ name }) => name);
      expect(mounted.toSorted()).toEqual(volumes.map(({ name }) => name).toSorted());
    }
  });

  test.each(files)("%s: no variable is set twice", (_, release) => {
    for (const { spec } of release.all("Deployment") as Workload[]) {
      const names = spec.template.spec.containers[0].env.map(({ name }) => name);
      expect(names).toEqual([...new Set(names)]);
    }
  });

  test.each(files)("%s: routes lead to the Service of channels", (_, release) => {
    const service = release.one("Service") as Service;
    for (const ingress of release.all("Ingress")) {
      expect(JSON.stringify(ingress)).toContain(
        `"service":{"name":"${service.metadata.name}","port":{"name":"${service.spec.ports[0]?.name}"}}`,
      );
    }
    for (const { spec } of release.all("HTTPRoute") as unknown as { spec: { rules: [object] } }[]) {
      expect(spec.rules[0]).toMatchObject({
        backendRefs: [{ name: service.metadata.name, port: service.spec.ports[0]?.port }],
        timeouts: { request: "0s", backendRequest: "0s" },
      });
    }
  });

  test.each(files)("%s: each NetworkPolicy is of one part", (file, release) => {
    for (const { metadata, spec } of release.all("NetworkPolicy") as Policy[]) {
      const part = metadata.labels?.["app.kubernetes.io/component"] ?? "";
      const names = file === "canary" && part === "sender" ? ["sender", "sender-canary"] : [part];
      expect(selectedBy(release, spec.podSelector.matchLabels).toSorted()).toEqual(
        names.toSorted(),
      );
    }
  });

  test("the bundled Redis lets in all that need it", () => {
    const release = Release.of(ONE_APP);
    const { spec } = release.one("NetworkPolicy", "-redis") as unknown as {
      spec: { ingress: [{ from: [{ podSelector: { matchLabels: Labels } }] }] };
    };
    const { matchLabels } = spec.ingress[0].from[0].podSelector;
    const doctor = release.one("Pod", "-doctor").metadata.labels ?? {};
    expect(isSelected(doctor, matchLabels)).toBe(true);
    expect(selectedBy(release, matchLabels)).toContain("channels");
    expect(selectedBy(release, matchLabels)).toContain("packager");
    expect(selectedBy(release, matchLabels)).toContain("sender");
  });

  test("KEDA asks Services that there are, of the ring that it scales", () => {
    const release = Release.ofFile("production");
    const scaled = release.all("ScaledObject") as unknown as {
      spec: { scaleTargetRef: { name: string }; triggers: { metadata: { url: string } }[] };
    }[];
    expect(scaled.length).toBe(2);
    for (const { spec } of scaled) {
      const ring = spec.scaleTargetRef.name.replace("rm-ringmaster-", "");
      const { spec: service } = release.one("Service", `-${ring}-ops`) as Service;
      expect(selectedBy(release, service.selector)).toEqual([ring]);
      for (const { metadata } of spec.triggers)
        expect(metadata.url).toBe(
          `http://rm-ringmaster-${ring}-ops.${NAMESPACE}.svc:${service.ports[0]?.port}/metrics`,
        );
    }
  });

  test("the PodMonitor sees every ring and both tracks, and nobody else", () => {
    const release = Release.ofFile("production");
    const { spec } = release.one("PodMonitor") as unknown as {
      spec: {
        selector: { matchLabels: Labels; matchExpressions: [{ key: string; values: string[] }] };
      };
    };
    const { key, values } = spec.selector.matchExpressions[0];
    const seen = workloads(release)
      .map(podLabels)
      .filter((labels) => isSelected(labels, spec.selector.matchLabels))
      .filter((labels) => values.includes(labels[key] ?? ""));
    expect(seen.map((labels) => labels["app.kubernetes.io/component"])).toEqual([
      "channels",
      "packager",
      "sender",
    ]);
  });

  test("names fit, however long the release's is", () => {
    const name = "a-release-with-a-name-of-fifty-three-characters-xxxxx";
    const { manifests } = Release.of(ONE_APP, {
      fullnameOverride: name,
      sender: { canary: { enabled: true, image: { tag: "0.2.0" } } },
      monitoring: { board: { enabled: true } },
    });
    for (const { metadata } of manifests) expect(metadata.name.length).toBeLessThanOrEqual(63);
    expect(new Set(manifests.map(({ kind, metadata }) => kind + metadata.name)).size).toBe(
      manifests.length,
    );
  });
});

describe.skipIf(whyNoHelm() !== undefined)("a canary", () => {
  test("is the sender with another image, for the same queue", () => {
    const release = Release.ofFile("canary");
    const [stable, canary] = [release.container("sender"), release.container("sender-canary")];
    expect([stable.image, canary.image]).toEqual(["ringmaster:0.1.0", "ringmaster:0.2.0"]);
    const own = { name: "RINGMASTER_SENDER_SLOTS", value: "100" };
    expect(canary.env.filter(({ name }) => name !== own.name)).toEqual([...stable.env]);
    expect(canary.env).toContainEqual(own);
    expect(release.deployment("sender-canary").spec.replicas).toBe(1);
  });

  test("rolled back has no pods, and the other sender is as before", () => {
    const values = { sender: { canary: { enabled: true, image: { tag: "0.2.0" } } } };
    const before = Release.of(ONE_APP, values);
    const after = Release.of(ONE_APP, values, { sender: { canary: { replicas: 0 } } });
    expect(after.deployment("sender-canary").spec.replicas).toBe(0);
    expect(after.deployment("sender")).toEqual(before.deployment("sender"));
    expect(Release.of(ONE_APP).deployment("sender")).toEqual(before.deployment("sender"));
  });

  test("has its own of a variable that both have", () => {
    const release = Release.of(ONE_APP, {
      sender: {
        extraEnv: [
          { name: "A", value: "both" },
          { name: "B", value: "stable" },
        ],
        canary: { enabled: true, extraEnv: [{ name: "B", value: "canary" }] },
      },
    });
    expect(release.environment("sender")).toMatchObject({ A: "both", B: "stable" });
    expect(release.environment("sender-canary")).toMatchObject({ A: "both", B: "canary" });
  });
});

describe.skipIf(whyNoHelm() !== undefined)("the image", () => {
  const common = { repository: "registry.example.com/ringmaster", tag: "1.2.3" };
  const digest = `sha256:${"0f".repeat(32)}`;
  test.each([
    [{}, {}, "ringmaster:0.1.0", "ringmaster:0.1.0"],
    [common, {}, "registry.example.com/ringmaster:1.2.3", "registry.example.com/ringmaster:1.2.3"],
    [{ ...common, digest }, {}, `${common.repository}@${digest}`, `${common.repository}@${digest}`],
    [
      { ...common, digest },
      { tag: "2.0.0" },
      `${common.repository}@${digest}`,
      `${common.repository}:2.0.0`,
    ],
    [common, { digest }, `${common.repository}:1.2.3`, `${common.repository}@${digest}`],
    [common, { repository: "other" }, `${common.repository}:1.2.3`, "other:1.2.3"],
  ])("%j with the canary's %j", (image, own, stable, canary) => {
    const release = Release.of(ONE_APP, {
      image,
      sender: { canary: { enabled: true, image: own, extraEnv: [{ name: "A", value: "b" }] } },
    });
    expect(release.container("sender").image).toBe(stable);
    expect(release.container("sender-canary").image).toBe(canary);
  });
});
