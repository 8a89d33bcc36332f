import { describe, expect, test } from "bun:test";
import { whyNoHelm } from "./support/helm.ts";
import { ONE_APP, Release } from "./support/release.ts";

describe.skipIf(whyNoHelm() !== undefined)("pods of a ring", () => {
  test("are spread by a label that every node has, and by zones where there are zones", () => {
    for (const ring of ["channels", "packager", "sender"] as const) {
      const { spec } = Release.of(ONE_APP).deployment(ring).spec.template;
      // The scheduler passes over nodes that lack the label of any one constraint.
      expect(spec.topologySpreadConstraints?.map(({ topologyKey }) => topologyKey)).toEqual([
        "kubernetes.io/hostname",
      ]);
      expect(JSON.stringify(spec.affinity)).toContain("topology.kubernetes.io/zone");
    }
  });

  test("keep an affinity of one's own beside that of zones", () => {
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "pool", operator: "Exists" }] }],
      },
    };
    const { spec } = Release.of(ONE_APP, { sender: { affinity: { nodeAffinity } } }).deployment(
      "sender",
    ).spec.template;
    expect(spec.affinity?.["nodeAffinity"]).toEqual(nodeAffinity);
    expect(spec.affinity?.["podAntiAffinity"]).toBeDefined();
  });
});
