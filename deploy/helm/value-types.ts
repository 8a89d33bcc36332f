/** A JSON Schema, as far as it is read or written here. */
export interface JsonSchema {
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  [keyword: string]: unknown;
}

const text: JsonSchema = { type: "string" };
const filled: JsonSchema = { type: "string", minLength: 1 };
const choice = (...choices: readonly string[]): JsonSchema => ({ enum: choices });
const whole = (minimum: number, maximum: number): JsonSchema => ({
  type: "integer",
  minimum,
  maximum,
});
const orNull = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: "null" }] });
const listOf = (items: JsonSchema): JsonSchema => ({ type: "array", items });
const strictly = (
  properties: Record<string, JsonSchema>,
  required: readonly string[],
): JsonSchema => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});

/** What Kubernetes itself checks: affinity, tolerations, peers of a NetworkPolicy. */
const kubernetesObject: JsonSchema = { type: "object" };
const labels: JsonSchema = { type: "object", additionalProperties: text };

const secretName: JsonSchema = {
  type: "string",
  pattern: "^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$",
};
const port = whole(1, 65_535);
const hostsAndPorts = listOf({
  type: "string",
  pattern: String.raw`^(\[[0-9A-Fa-f:]+\]|[^:\s]+):[0-9]{1,5}$`,
});
const networks = listOf({
  type: "string",
  pattern: "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*)/[0-9]{1,3}$",
});
const podsOrShare: JsonSchema = {
  anyOf: [
    { type: "integer", minimum: 1 },
    { type: "string", pattern: "^[1-9][0-9]?%$|^100%$" },
  ],
};

const quantities: JsonSchema = {
  type: "object",
  additionalProperties: { type: ["string", "number"] },
};
const resources: JsonSchema = {
  type: "object",
  properties: { requests: quantities, limits: quantities, claims: listOf(kubernetesObject) },
  additionalProperties: false,
};

const variables = listOf(
  strictly({ name: filled, value: text, valueFrom: kubernetesObject }, ["name"]),
);

const pullPolicy = choice("Always", "IfNotPresent", "Never");

/** Of every ring, below `channels`, `packager` and `sender`. */
const OF_A_RING: Readonly<Record<string, JsonSchema>> = {
  replicas: whole(0, 1_000),
  resources,
  "podDisruptionBudget.maxUnavailable": podsOrShare,
  "autoscaling.minReplicas": whole(1, 1_000),
  "autoscaling.maxReplicas": whole(1, 1_000),
  "autoscaling.cpuTargetPercent": whole(1, 100),
  "autoscaling.scaleDownStabilizationSeconds": whole(0, 3_600),
  podAnnotations: labels,
  podLabels: labels,
  nodeSelector: labels,
  affinity: kubernetesObject,
  tolerations: listOf(kubernetesObject),
  topologySpreadConstraints: listOf(kubernetesObject),
  extraEnv: variables,
};

/**
 * By path: the types of values whose default does not tell them, such as an empty list, and of those that are narrower than their
 * default tells.
 */
export const VALUE_TYPES: Readonly<Record<string, JsonSchema>> = {
  "image.repository": filled,
  "image.digest": { type: "string", pattern: "^(sha256:[0-9a-f]{64})?$" },
  "image.pullPolicy": pullPolicy,
  "image.pullSecrets": listOf(strictly({ name: filled }, ["name"])),
  existingConfigSecret: secretName,
  "defaultApp.existingSecret": secretName,
  "defaultApp.webhookUrl": { type: "string", pattern: "^(https?://.+)?$" },
  "secrets.envFrom": listOf({ ...secretName, minLength: 1 }),
  "secrets.mounts": listOf(
    strictly({ name: filled, mountPath: { type: "string", pattern: "^/." } }, [
      "name",
      "mountPath",
    ]),
  ),
  "redis.bundled.image": filled,
  "redis.bundled.pullPolicy": pullPolicy,
  "redis.bundled.command": { ...listOf(filled), minItems: 1 },
  "redis.bundled.maxMemory": { type: "string", pattern: "^[1-9][0-9]*([kKmMgG][bB]?)?$" },
  "redis.bundled.resources": resources,
  "redis.url": { type: "string", pattern: "^(rediss?://.+)?$" },
  "redis.clusterNodes": hostsAndPorts,
  "redis.sentinelNodes": hostsAndPorts,
  "redis.database": whole(0, 1_000_000),
  "redis.existingSecret.name": secretName,
  "redis.tls.existingSecret": secretName,
  "ops.adminToken.existingSecret": secretName,
  "proxy.trustedHops": orNull(whole(0, 32)),
  "serviceAccount.annotations": labels,

  ...ofRing("channels"),
  "channels.service.type": choice("ClusterIP", "NodePort", "LoadBalancer"),
  "channels.service.port": port,
  "channels.service.annotations": labels,
  "channels.service.externalTrafficPolicy": choice("", "Cluster", "Local"),
  "channels.drain.preStopSeconds": whole(0, 300),
  "channels.drain.noticeSeconds": whole(0, 300),
  "channels.drain.windowSeconds": whole(1, 21_600),
  "channels.drain.overrunSeconds": whole(5, 600),
  "channels.rollingUpdate.maxSurge": podsOrShare,
  "channels.autoscaling.engine": choice("none", "keda", "hpa"),
  "channels.autoscaling.connectionsPerPod": whole(1, 10_000_000),
  "channels.autoscaling.hpaMetric": choice("pods", "cpu"),

  "ingress.controller": choice("nginx", "alb", "other"),
  "ingress.annotations": labels,
  "ingress.hosts": listOf(filled),
  "ingress.path": { type: "string", pattern: "^(/.*)?$" },
  "ingress.tls": listOf(strictly({ secretName: filled, hosts: listOf(filled) }, [])),
  "gateway.annotations": labels,
  "gateway.parentRefs": listOf(kubernetesObject),
  "gateway.hostnames": listOf(filled),
  "gateway.path": { type: "string", pattern: "^(/.*)?$" },

  ...ofRing("packager"),
  "packager.autoscaling.engine": choice("none", "hpa"),

  ...ofRing("sender"),
  "sender.allowedNetworks": networks,
  "sender.longestWebhookTimeoutMs": orNull(whole(100, 30_000)),
  "sender.autoscaling.engine": choice("none", "keda", "hpa"),
  "sender.autoscaling.backlogTargetSeconds": { type: "number", minimum: 0.1, maximum: 86_400 },
  "sender.autoscaling.busyTarget": { type: "number", minimum: 0.1, maximum: 1 },
  "sender.autoscaling.scaleUpStabilizationSeconds": whole(0, 3_600),
  "sender.autoscaling.hpaMetric": choice("external", "cpu"),
  "sender.canary.replicas": whole(0, 1_000),
  "sender.canary.image.digest": { type: "string", pattern: "^(sha256:[0-9a-f]{64})?$" },
  "sender.canary.extraEnv": variables,

  "keda.trigger": choice("metrics-api", "prometheus"),
  "keda.serverAddress": { type: "string", pattern: "^(https?://.+)?$" },
  "keda.failureThreshold": whole(1, 1_000),

  "networkPolicy.channelsFrom": listOf(kubernetesObject),
  "networkPolicy.opsFrom": listOf(kubernetesObject),
  "networkPolicy.dnsPeers": listOf(kubernetesObject),
  "networkPolicy.dnsPorts": { ...listOf(port), minItems: 1 },
  "networkPolicy.redisPeers": listOf(kubernetesObject),
  "networkPolicy.redisPorts": listOf(port),
  "networkPolicy.senderDeniedNetworks": networks,

  "monitoring.podMonitor.labels": labels,
  "monitoring.podMonitor.intervalSeconds": whole(1, 300),
  "monitoring.rules.labels": labels,
  "monitoring.rules.disabled": listOf(filled),
  "monitoring.rules.alertLabels": labels,
  "monitoring.board.labels": labels,
  "monitoring.board.annotations": labels,
};

function ofRing(ring: string): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(OF_A_RING).map(([path, schema]) => [`${ring}.${path}`, schema]),
  );
}
