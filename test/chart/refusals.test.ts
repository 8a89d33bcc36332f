import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { fileFields } from "../../src/ops/config/app-entry.ts";
import { envNameOf } from "../../src/ops/config/field.ts";
import { CHART, whyNoHelm } from "./support/helm.ts";
import { ONE_APP, renderingOf } from "./support/release.ts";

const APPS = { apps: [{ id: "1", keys: [{ key: "key", secret: "secret" }] }] };
const EXTERNAL = { bundled: { enabled: false }, url: "redis://redis.internal:6379" };

const refusedSettings = Object.entries(
  parse(readFileSync(join(CHART, "files", "refused-settings.yaml"), "utf8")) as Record<
    string,
    string
  >,
);

/** What helm says to values that are wrong, white space made even. */
function refusalOf(...values: readonly object[]): string {
  const { ok, stderr } = renderingOf(...values);
  expect(ok).toBe(false);
  return stderr.replaceAll(/\s+/g, " ");
}

describe.skipIf(whyNoHelm() !== undefined)("values that contradict each other", () => {
  test.each<[string, object[], string]>([
    [
      "no app",
      [{}],
      "There is no app. List apps in config.apps, name a Secret with a ringmaster.yaml in existingConfigSecret, or name one with the credentials of a single app in defaultApp.existingSecret.",
    ],
    ["an empty list of apps", [{ config: { apps: [] } }], "config/apps"],
    [
      "apps and the default app",
      [ONE_APP, { config: APPS }],
      "config.apps and defaultApp.existingSecret are both given",
    ],
    [
      "a configuration and a Secret with one",
      [{ existingConfigSecret: "mine", config: APPS }],
      "config and existingConfigSecret are both given, but there is one ringmaster.yaml. Leave one out.",
    ],
    [
      "a webhook of a default app that is not there",
      [{ config: APPS, defaultApp: { webhookUrl: "https://example.com/" } }],
      "defaultApp.webhookUrl does nothing without defaultApp.existingSecret.",
    ],
    [
      "two Redis",
      [ONE_APP, { redis: { url: "redis://x:6379" } }],
      "redis.url is given beside the bundled Redis, but there is one store. Set redis.bundled.enabled to false, or leave the other out.",
    ],
    [
      "two external Redis",
      [ONE_APP, { redis: { ...EXTERNAL, clusterNodes: ["x:6379"] } }],
      "redis.url and redis.clusterNodes are given, but there is one store. Leave all but one out.",
    ],
    [
      "no Redis",
      [ONE_APP, { redis: { bundled: { enabled: false } } }],
      "There is no Redis. Set redis.bundled.enabled to true, or give one of redis.url,",
    ],
    [
      "a password in the URL",
      [ONE_APP, { redis: { ...EXTERNAL, url: "redis://ringmaster:hunter2@redis.internal:6379" } }],
      "redis.url has a password in it, which would stand in every manifest.",
    ],
    [
      "a key without a Secret",
      [ONE_APP, { redis: { ...EXTERNAL, existingSecret: { passwordKey: "password" } } }],
      "redis.existingSecret has keys and no name.",
    ],
    [
      "a Secret without a key",
      [ONE_APP, { redis: { ...EXTERNAL, existingSecret: { name: "redis" } } }],
      "redis.existingSecret has a name and no key. Give urlKey, passwordKey or sentinelPasswordKey.",
    ],
    [
      "a password of the bundled Redis",
      [ONE_APP, { redis: { existingSecret: { name: "redis", passwordKey: "password" } } }],
      "are of an external Redis; the bundled one has none of them.",
    ],
    [
      "Sentinels without a primary",
      [ONE_APP, { redis: { bundled: { enabled: false }, sentinelNodes: ["x:26379"] } }],
      "redis.sentinelNodes and redis.sentinelPrimaryName need each other.",
    ],
    [
      "a user of Sentinels that are not there",
      [ONE_APP, { redis: { ...EXTERNAL, sentinelUsername: "watcher" } }],
      "do nothing without redis.sentinelNodes.",
    ],
    [
      "a database of a Cluster",
      [ONE_APP, { redis: { bundled: { enabled: false }, clusterNodes: ["x:6379"], database: 1 } }],
      "redis.database is not 0, but a Cluster has no other. Leave it out.",
    ],
    [
      "an authority without a Secret",
      [ONE_APP, { redis: { ...EXTERNAL, tls: { enabled: true, caKey: "ca.crt" } } }],
      "redis.tls has keys of a Secret and no Secret.",
    ],
    [
      "a Secret of TLS without a key",
      [ONE_APP, { redis: { ...EXTERNAL, tls: { enabled: true, existingSecret: "tls" } } }],
      "redis.tls.existingSecret is given without a key.",
    ],
    [
      "a certificate without its key",
      [
        ONE_APP,
        {
          redis: { ...EXTERNAL, tls: { enabled: true, existingSecret: "tls", certKey: "tls.crt" } },
        },
      ],
      "redis.tls.certKey and redis.tls.keyKey need each other.",
    ],
    [
      "an authority without TLS",
      [ONE_APP, { redis: { ...EXTERNAL, tls: { existingSecret: "tls", caKey: "ca.crt" } } }],
      "but TLS is off. Set redis.tls.enabled to true, or begin redis.url with rediss://.",
    ],
    [
      "a webhook that takes longer than is said",
      [
        {
          config: {
            apps: [
              { ...APPS.apps[0], webhooks: [{ url: "https://example.com/", timeoutMs: 9_000 }] },
            ],
          },
          sender: { longestWebhookTimeoutMs: 5_000 },
        },
      ],
      "sender.longestWebhookTimeoutMs is 5000, but a webhook may take 9000 ms: a sender that stops would cut it off.",
    ],
    [
      "scrapes too rare to see an overrun",
      [ONE_APP, { monitoring: { podMonitor: { enabled: true, intervalSeconds: 30 } } }],
      "monitoring.podMonitor.intervalSeconds is not below channels.drain.overrunSeconds (30)",
    ],
    [
      "more pods at least than at most",
      [ONE_APP, { sender: { autoscaling: { engine: "keda", minReplicas: 16 } } }],
      "sender.autoscaling.minReplicas is more than maxReplicas (15). Give at most that.",
    ],
    [
      "per cent of no CPU",
      [
        ONE_APP,
        {
          channels: {
            resources: { requests: { cpu: null } },
            autoscaling: { engine: "hpa", hpaMetric: "cpu" },
          },
        },
      ],
      "channels.autoscaling goes by CPU, of which there is no request to take per cent of. Give channels.resources.requests.cpu.",
    ],
    [
      "a Prometheus that is nowhere",
      [ONE_APP, { channels: { autoscaling: { engine: "keda" } }, keda: { trigger: "prometheus" } }],
      "channels.autoscaling asks Prometheus, and keda.serverAddress does not say where that is.",
    ],
    [
      "a Prometheus that nobody asks",
      [ONE_APP, { keda: { serverAddress: "http://prometheus:9090" } }],
      "keda.serverAddress does nothing with the trigger metrics-api.",
    ],
    [
      "more sockets a pod than it takes",
      [
        { config: { ...APPS, maxConnections: 5_000 } },
        { channels: { autoscaling: { engine: "keda" } } },
      ],
      "channels.autoscaling.connectionsPerPod is more than a pod takes (config.maxConnections is 5000), so none would ever be added.",
    ],
    [
      "a canary that is no other version",
      [ONE_APP, { sender: { canary: { enabled: true } } }],
      "so it would be the version that runs already. Give sender.canary.image.tag.",
    ],
    [
      "an ingress without a host",
      [ONE_APP, { ingress: { enabled: true } }],
      "ingress.enabled is true and ingress.hosts is empty. Give the names that clients connect to.",
    ],
    [
      "a route without a Gateway",
      [ONE_APP, { gateway: { enabled: true } }],
      "gateway.enabled is true and gateway.parentRefs is empty. Name the Gateway that the route belongs to.",
    ],
    [
      "a class of load balancer without one",
      [ONE_APP, { channels: { service: { loadBalancerClass: "x/nlb" } } }],
      "channels.service.loadBalancerClass does nothing but with the type LoadBalancer.",
    ],
    [
      "a traffic policy of what comes from outside, where nothing does",
      [ONE_APP, { channels: { service: { externalTrafficPolicy: "Local" } } }],
      "externalTrafficPolicy does nothing with the type ClusterIP.",
    ],
    [
      "annotations of an account that is not made",
      [ONE_APP, { serviceAccount: { create: false, annotations: { role: "x" } } }],
      "serviceAccount.annotations do nothing when serviceAccount.create is false.",
    ],
    [
      "a label by which pods are found",
      [ONE_APP, { sender: { podLabels: { "ringmaster.io/track": "canary" } } }],
      "sender.podLabels has ringmaster.io/track, by which the pods are found. Leave it out.",
    ],
    [
      "a variable of the configuration's",
      [ONE_APP, { packager: { extraEnv: [{ name: "RINGMASTER_CONFIG", value: "/x" }] } }],
      "packager.extraEnv has RINGMASTER_CONFIG, which the chart sets itself.",
    ],
    [
      "a variable of the chart's, of a canary",
      [
        ONE_APP,
        {
          sender: {
            canary: {
              enabled: true,
              extraEnv: [{ name: "RINGMASTER_DRAIN_WINDOW_MS", value: "1" }],
            },
          },
        },
      ],
      "sender.canary.extraEnv has RINGMASTER_DRAIN_WINDOW_MS, which the chart sets itself: set channels.drain beside config",
    ],
  ])("%s", (_, values, sentence) => {
    expect(refusalOf(...values)).toContain(sentence);
  });

  test("all of them are told at once", () => {
    const refusal = refusalOf({
      redis: { bundled: { enabled: false } },
      ingress: { enabled: true },
    });
    expect(refusal).toContain("There is no app.");
    expect(refusal).toContain("There is no Redis.");
    expect(refusal).toContain("ingress.hosts is empty");
  });

  // In the schema they would be "additional properties", which helps nobody.
  test.each(refusedSettings)("config.%s is the chart's", (path, instead) => {
    const config = path
      .split(".")
      .reduceRight<unknown>((inner, name) => ({ [name]: inner }), { any: "thing" }) as object;
    expect(refusalOf({ config: APPS }, { config })).toContain(
      `config.${path} is the chart's to set: ${instead}.`,
    );
  });

  const variables = fileFields.flatMap(({ path, envName }) => {
    const refused = refusedSettings.find(([one]) => path === one || path.startsWith(`${one}.`));
    return envName === null || refused === undefined ? [] : [[envName, refused[1]] as const];
  });
  test("each variable of such a setting is the chart's", () => {
    const extraEnv = variables.map(([name]) => ({ name, value: "x" }));
    const refusal = refusalOf(ONE_APP, { channels: { extraEnv } });
    expect(variables.length).toBeGreaterThan(refusedSettings.length);
    for (const [name, instead] of variables)
      expect(refusal).toContain(
        `channels.extraEnv has ${name}, which the chart sets itself: ${instead}.`,
      );
  });

  test("other variables are taken", () => {
    const others = fileFields
      .flatMap(({ envName }) => envName ?? [])
      .filter((name) => !variables.some(([refused]) => refused === name));
    expect(others).toContain(envNameOf("log.level"));
    const extraEnv = others.map((name) => ({ name, value: "x" }));
    expect(renderingOf(ONE_APP, { channels: { extraEnv } }).stderr).toBe("");
  });
});

describe.skipIf(whyNoHelm() !== undefined)("values that the schema refuses", () => {
  test.each<[string, object, string]>([
    ["an unknown value", { sendr: {} }, "additional properties 'sendr' not allowed"],
    [
      "an unknown value of a ring",
      { sender: { replica: 2 } },
      "at '/sender': additional properties 'replica'",
    ],
    [
      "an unknown setting",
      { config: { webSocket: {} } },
      "at '/config': additional properties 'webSocket'",
    ],
    [
      "a setting out of range",
      { config: { sender: { slots: 1_000 } } },
      "at '/config/sender/slots': maximum",
    ],
    [
      "an engine that there is not",
      { packager: { autoscaling: { engine: "keda" } } },
      "at '/packager/autoscaling/engine'",
    ],
    [
      "text for a number",
      { channels: { replicas: "three" } },
      "at '/channels/replicas': got string, want integer",
    ],
    ["a tag that is a number", { image: { tag: 1.1 } }, "at '/image/tag': got number, want string"],
    [
      "an address for a network",
      { sender: { allowedNetworks: ["10.0.0.1"] } },
      "at '/sender/allowedNetworks/0'",
    ],
    [
      "no window",
      { channels: { drain: { windowSeconds: 0 } } },
      "at '/channels/drain/windowSeconds': minimum",
    ],
  ])("%s", (_, values, sentence) => {
    expect(refusalOf(ONE_APP, values)).toContain(sentence);
  });
});
