import { beforeAll, describe, expect, test } from "bun:test";
import {
  CHART,
  helm,
  KUBERNETES_VERSION,
  VALUE_FILES,
  valuesFile,
  whyNoHelm,
} from "./support/helm.ts";
import { KubernetesSchemas, whyNoSchemas } from "./support/kubernetes-schemas.ts";
import { Release, type Manifest } from "./support/release.ts";

const noHelm = whyNoHelm();
if (noHelm !== undefined) console.warn(`chart: rendering is skipped, for ${noHelm}`);
const noSchemas = noHelm ?? whyNoSchemas();
if (noSchemas !== undefined) console.warn(`chart: schemas are skipped, for ${noSchemas}`);

describe.skipIf(noHelm !== undefined)("helm lint --strict", () => {
  test.each(VALUE_FILES)("%s", (name) => {
    const { ok, stdout } = helm(
      "lint",
      "--strict",
      CHART,
      "--kube-version",
      KUBERNETES_VERSION,
      "--values",
      valuesFile(name),
    );
    expect(stdout).not.toContain("[WARNING]");
    expect(stdout).not.toContain("Fail:");
    expect(ok).toBe(true);
  });
});

describe.skipIf(noSchemas !== undefined)("the schemas of Kubernetes", () => {
  let schemas: KubernetesSchemas;
  beforeAll(() => {
    schemas = KubernetesSchemas.load();
  });

  test.each(VALUE_FILES)("know all that %s renders", (name) => {
    const { manifests } = Release.ofFile(name);
    expect(manifests.length).toBeGreaterThan(5);
    expect(manifests.flatMap((manifest) => schemas.faultsOf(manifest))).toEqual([]);
  });

  // Or the test above could not fail.
  test.each([
    ["a field that does not exist", { spec: { replica: 1 } }, "additional properties"],
    ["a type that is wrong", { spec: { replicas: "three" } }, "must be integer"],
    [
      "a field of a container that does not exist",
      container({ enviroment: [] }),
      "additional properties",
    ],
    ["a container without a name", container({ name: undefined }), "required property 'name'"],
  ])("find %s", (_, wrong, said) => {
    const manifest = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "x" },
      ...wrong,
    } as Manifest;
    expect(schemas.faultsOf(manifest).join()).toContain(said);
  });

  test.each([
    [
      "keda.sh/v1alpha1",
      "ScaledObject",
      { spec: { scaleTargetRef: { name: "x" }, triggers: [], fallBack: {} } },
    ],
    [
      "monitoring.coreos.com/v1",
      "PrometheusRule",
      { spec: { groups: [{ name: "x", rules: [{ expression: "1" }] }] } },
    ],
    [
      "gateway.networking.k8s.io/v1",
      "HTTPRoute",
      { spec: { rules: [{ timeouts: { requests: "0s" } }] } },
    ],
  ])("know %s %s", (apiVersion, kind, wrong) => {
    const manifest = { apiVersion, kind, metadata: { name: "x" }, ...wrong } as Manifest;
    expect(schemas.faultsOf(manifest).join()).toContain("additional properties");
  });

  function container(fields: object): object {
    const containers = [{ name: "x", image: "x", ...fields }];
    return { spec: { selector: {}, template: { spec: { containers } } } };
  }
});
