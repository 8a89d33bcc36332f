{{/*
The autoscaler of a ring: (dict "root" $ "ring" "sender" "triggers" $keda "metrics" $hpa "behavior" $behavior).
A pod that is scaled in ends as in a roll-out: with its drain.
*/}}
{{- define "ringmaster.autoscaler" -}}
{{- $root := .root -}}
{{- $scaling := (get $root.Values .ring).autoscaling -}}
{{- $name := printf "%s-%s" (include "ringmaster.fullname" $root) .ring -}}
{{- if eq $scaling.engine "keda" -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $name }}
  labels:
    {{- include "ringmaster.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .ring }}
spec:
  scaleTargetRef:
    name: {{ $name }}
  minReplicaCount: {{ $scaling.minReplicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  {{- /* Who cannot see must not scale in: what runs stays. */}}
  fallback:
    failureThreshold: {{ $root.Values.keda.failureThreshold }}
    replicas: {{ $scaling.minReplicas }}
    behavior: currentReplicasIfHigher
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        {{- .behavior | nindent 8 }}
  triggers:
    {{- .triggers | nindent 4 }}
{{- else if eq $scaling.engine "hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "ringmaster.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .ring }}
  annotations:
    {{- /* KEDA refuses a workload that has an HPA; an upgrade that changes the engine has both for a moment. */}}
    validations.keda.sh/hpa-ownership: "false"
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $name }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  behavior:
    {{- .behavior | nindent 4 }}
  metrics:
    {{- .metrics | nindent 4 }}
{{- end -}}
{{- end }}

{{/*
A KEDA trigger on one figure: (dict "root" $ "ring" "sender" "metric" "ringmaster_senders_busy" "aggregate" "max" "target" 0.7).
"sum" adds up what each pod tells of itself; "max" is for what all tell alike, where any one is asked.
*/}}
{{- define "ringmaster.kedaTrigger" -}}
- type: {{ .root.Values.keda.trigger }}
  {{- /* The figure divided by the pods is held at the target: pods = ⌈figure ÷ target⌉, whatever runs at the moment. */}}
  metricType: AverageValue
  metadata:
  {{- if eq .root.Values.keda.trigger "metrics-api" }}
    url: http://{{ include "ringmaster.fullname" .root }}-{{ .ring }}-ops.{{ .root.Release.Namespace }}.svc:9601/metrics
    format: prometheus
    valueLocation: {{ .metric }}
    targetValue: {{ .target | toString | quote }}
    {{- if eq .aggregate "sum" }}
    aggregateFromKubeServiceEndpoints: "true"
    aggregationType: sum
    {{- end }}
  {{- else }}
    serverAddress: {{ .root.Values.keda.serverAddress }}
    query: {{ printf "%s(%s{%s})" .aggregate .metric (include "ringmaster.seriesMatchers" .root) | quote }}
    threshold: {{ .target | toString | quote }}
    {{- /* No series is no answer, not a zero: then the fallback holds. */}}
    ignoreNullValues: "false"
  {{- end }}
{{- end }}

{{/* An HPA's metric on the CPU of a ring: its values. */}}
{{- define "ringmaster.cpuMetric" -}}
- type: Resource
  resource:
    name: cpu
    target:
      type: Utilization
      averageUtilization: {{ .autoscaling.cpuTargetPercent }}
{{- end }}
