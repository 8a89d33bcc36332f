import { describe, expect, test } from "bun:test";
import { whyNoHelm } from "./support/helm.ts";
import { ONE_APP, Release } from "./support/release.ts";

interface ScaledObject {
  readonly spec: {
    readonly scaleTargetRef: { readonly name: string };
    readonly minReplicaCount: number;
    readonly maxReplicaCount: number;
    readonly fallback: object;
    readonly advanced: { readonly horizontalPodAutoscalerConfig: { readonly behavior: object } };
    readonly triggers: readonly object[];
  };
}

interface Autoscaler {
  readonly spec: { readonly behavior: object; readonly metrics: readonly object[] };
}

const KEDA = { autoscaling: { engine: "keda" } };
const HPA = { autoscaling: { engine: "hpa" } };

describe.skipIf(whyNoHelm() !== undefined)("autoscaling by KEDA", () => {
  const scaled = (release: Release, ring: string): ScaledObject =>
    release.one("ScaledObject", `-${ring}`) as unknown as ScaledObject;

  test("of senders: 3 to 15, on backlog and on load", () => {
    const { spec } = scaled(Release.of(ONE_APP, { sender: KEDA }), "sender");
    expect([spec.minReplicaCount, spec.maxReplicaCount]).toEqual([3, 15]);
    const asked = {
      url: "http://rm-ringmaster-sender-ops.realtime.svc:9601/metrics",
      format: "prometheus",
    };
    expect(spec.triggers).toEqual([
      trigger({ ...asked, valueLocation: "ringmaster_sender_backlog_seconds", targetValue: "10" }),
      trigger({ ...asked, valueLocation: "ringmaster_senders_busy", targetValue: "0.7" }),
    ]);
    expect(spec.fallback).toEqual({
      failureThreshold: 3,
      replicas: 3,
      behavior: "currentReplicasIfHigher",
    });
    expect(spec.advanced.horizontalPodAutoscalerConfig.behavior).toMatchObject({
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: "Max",
        policies: [
          { type: "Percent", value: 100, periodSeconds: 15 },
          { type: "Pods", value: 4, periodSeconds: 15 },
        ],
      },
      scaleDown: { stabilizationWindowSeconds: 300 },
    });
  });

  test("of channels: on the sockets of all pods, and slowly in", () => {
    const { spec } = scaled(Release.of(ONE_APP, { channels: KEDA }), "channels");
    expect(spec.triggers).toEqual([
      trigger({
        url: "http://rm-ringmaster-channels-ops.realtime.svc:9601/metrics",
        format: "prometheus",
        valueLocation: "ringmaster_process_connections",
        targetValue: "10000",
        aggregateFromKubeServiceEndpoints: "true",
        aggregationType: "sum",
      }),
    ]);
    expect(spec.advanced.horizontalPodAutoscalerConfig.behavior).toMatchObject({
      scaleDown: {
        stabilizationWindowSeconds: 600,
        policies: [{ type: "Pods", value: 1, periodSeconds: 120 }],
      },
    });
  });

  test("by way of Prometheus, an answer without a series is no zero", () => {
    const release = Release.ofFile("keda");
    const matchers = '{namespace="realtime",release="rm-ringmaster"}';
    const asked = {
      serverAddress: "http://prometheus-operated.monitoring.svc:9090",
      ignoreNullValues: "false",
    };
    expect(scaled(release, "sender").spec.triggers).toEqual([
      {
        ...trigger({
          ...asked,
          query: `max(ringmaster_sender_backlog_seconds${matchers})`,
          threshold: "2.5",
        }),
        type: "prometheus",
      },
      {
        ...trigger({
          ...asked,
          query: `max(ringmaster_senders_busy${matchers})`,
          threshold: "0.7",
        }),
        type: "prometheus",
      },
    ]);
    expect(scaled(release, "channels").spec.triggers).toEqual([
      {
        ...trigger({
          ...asked,
          query: `sum(ringmaster_process_connections${matchers})`,
          threshold: "10000",
        }),
        type: "prometheus",
      },
    ]);
  });

  function trigger(metadata: object): object {
    return { type: "metrics-api", metricType: "AverageValue", metadata };
  }
});

describe.skipIf(whyNoHelm() !== undefined)("autoscaling by a plain HPA", () => {
  const scaler = (release: Release, ring: string): Autoscaler =>
    release.one("HorizontalPodAutoscaler", `-${ring}`) as unknown as Autoscaler;

  test("has KEDA's figures, as an adapter tells them", () => {
    const release = Release.of(ONE_APP, { channels: HPA, sender: HPA });
    const selector = { matchLabels: { release: "rm-ringmaster" } };
    expect(scaler(release, "sender").spec.metrics).toEqual([
      external("ringmaster_sender_backlog_seconds", "10000m"),
      external("ringmaster_senders_busy", "700m"),
    ]);
    expect(scaler(release, "channels").spec.metrics).toEqual([
      {
        type: "Pods",
        pods: {
          metric: { name: "ringmaster_process_connections" },
          target: { type: "AverageValue", averageValue: "10000" },
        },
      },
    ]);

    function external(name: string, averageValue: string): object {
      const target = { type: "AverageValue", averageValue };
      return { type: "External", external: { metric: { name, selector }, target } };
    }
  });

  test("has the same pace as KEDA", () => {
    for (const ring of ["channels", "sender"]) {
      const keda = Release.of(ONE_APP, { [ring]: KEDA }).one("ScaledObject", `-${ring}`);
      expect(scaler(Release.of(ONE_APP, { [ring]: HPA }), ring).spec.behavior).toEqual(
        (keda as unknown as ScaledObject).spec.advanced.horizontalPodAutoscalerConfig.behavior,
      );
    }
  });

  test("goes by CPU, where the values say so", () => {
    const release = Release.ofFile("hpa-cpu");
    for (const [ring, averageUtilization] of [
      ["channels", 60],
      ["sender", 70],
    ] as const)
      expect(scaler(release, ring).spec.metrics).toEqual([
        {
          type: "Resource",
          resource: { name: "cpu", target: { type: "Utilization", averageUtilization } },
        },
      ]);
  });
});

describe.skipIf(whyNoHelm() !== undefined)("the number of pods", () => {
  test("belongs to the autoscaler where there is one", () => {
    const release = Release.of(ONE_APP, {
      channels: KEDA,
      packager: HPA,
      sender: { ...HPA, replicas: 9 },
    });
    for (const ring of ["channels", "packager", "sender"])
      expect(release.deployment(ring).spec).not.toHaveProperty("replicas");
  });

  test("is that of the values where there is none, zero too", () => {
    const release = Release.of(ONE_APP, { channels: { replicas: 5 }, packager: { replicas: 0 } });
    expect(
      ["channels", "packager", "sender"].map((ring) => release.deployment(ring).spec.replicas),
    ).toEqual([5, 0, 2]);
    expect(release.all("ScaledObject")).toEqual([]);
    expect(release.all("HorizontalPodAutoscaler")).toEqual([]);
  });
});
