import { describe, expect, test } from "bun:test";
import { VALUE_FILES, whyNoHelm } from "./support/helm.ts";
import { type PodSpec, Release, type Workload } from "./support/release.ts";

// The `restricted` standard: https://kubernetes.io/docs/concepts/security/pod-security-standards/, and some more.
describe.skipIf(whyNoHelm() !== undefined)("pods are restricted", () => {
  test.each(VALUE_FILES)("%s", (file) => {
    const release = Release.ofFile(file);
    const pods: readonly PodSpec[] = [
      ...([...release.all("Deployment"), ...release.all("StatefulSet")] as Workload[]).map(
        ({ spec }) => spec.template.spec,
      ),
      ...(release.all("Pod") as unknown as { spec: PodSpec }[]).map(({ spec }) => spec),
    ];
    expect(pods.length).toBeGreaterThanOrEqual(4);
    for (const pod of pods) {
      expect(pod["securityContext"]).toEqual({
        runAsNonRoot: true,
        runAsUser: 65_532,
        runAsGroup: 65_532,
        fsGroup: 65_532,
        seccompProfile: { type: "RuntimeDefault" },
      });
      for (const forbidden of ["hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers"])
        expect(pod).not.toHaveProperty(forbidden);
      expect(pod["automountServiceAccountToken"]).toBe(false);
      expect(pod["enableServiceLinks"]).toBe(false);
      for (const volume of pod.volumes ?? [])
        expect(Object.keys(volume).toSorted()).toEqual(["name", "secret"]);
      for (const { securityContext, ports, resources } of pod.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        for (const port of ports ?? []) expect(port).not.toHaveProperty("hostPort");
        expect(resources["limits"]?.["memory"]).toBeString();
        expect(resources["requests"]?.["cpu"]).toBeString();
      }
    }
  });
});
