{{/* What the containers of Ringmaster have in common: (dict "root" $ "ring" "sender" "image" $image "extraEnv" list). */}}
{{- define "ringmaster.container" -}}
image: {{ include "ringmaster.image" (dict "root" .root "image" .image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  {{- include "ringmaster.environment" . | trim | nindent 2 }}
  {{- with .extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.secrets.envFrom }}
envFrom:
  {{- range . }}
  - secretRef:
      name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  {{- /* A folder, never a subPath: that one would stay as it was when the Secret changes. */}}
  - name: config
    mountPath: /etc/ringmaster
    readOnly: true
  {{- if .root.Values.redis.tls.existingSecret }}
  - name: redis-tls
    mountPath: /etc/ringmaster-redis
    readOnly: true
  {{- end }}
  {{- range $index, $mount := .root.Values.secrets.mounts }}
  - name: secret-{{ $index }}
    mountPath: {{ $mount.mountPath }}
    readOnly: true
  {{- end }}
{{- end }}

{{/* What the pods of Ringmaster have in common, in the `restricted` standard of Pod Security. */}}
{{- define "ringmaster.podBasis" -}}
serviceAccountName: {{ include "ringmaster.serviceAccountName" . }}
{{- /* Ringmaster never asks the Kubernetes API for anything. */}}
automountServiceAccountToken: false
{{- /* Or a Service named ringmaster would set RINGMASTER_PORT. */}}
enableServiceLinks: false
securityContext:
  {{- include "ringmaster.podSecurityContext" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    secret:
      secretName: {{ include "ringmaster.configSecretName" . }}
      {{- /* 0440, for the group of fsGroup. */}}
      defaultMode: 288
  {{- with .Values.redis.tls.existingSecret }}
  - name: redis-tls
    secret:
      secretName: {{ . }}
      defaultMode: 288
  {{- end }}
  {{- range $index, $mount := .Values.secrets.mounts }}
  - name: secret-{{ $index }}
    secret:
      secretName: {{ $mount.name }}
      defaultMode: 288
  {{- end }}
{{- end }}

{{- define "ringmaster.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/*
The Deployment of a ring, or of one track of it: (dict "root" $ "ring" "sender" "replicas" 2 "strategy" (dict …) "lines" …).
"track" is stable or canary; "image" and "extraEnv" are those of a canary.
*/}}
{{- define "ringmaster.deployment" -}}
{{- $root := .root -}}
{{- $ring := get $root.Values .ring -}}
{{- $derived := get (include "ringmaster.derived" $root | fromYaml) .ring -}}
{{- $isCanary := eq (default "" .track) "canary" -}}
{{- $name := printf "%s-%s%s" (include "ringmaster.fullname" $root) .ring (ternary "-canary" "" $isCanary) -}}
{{- $selected := dict "root" $root "part" .ring "track" .track -}}
{{- $extraEnv := default list .extraEnv -}}
{{- $replaced := list -}}
{{- range $extraEnv }}{{ $replaced = append $replaced .name }}{{ end -}}
{{- range $ring.extraEnv }}{{ if not (has .name $replaced) }}{{ $extraEnv = append $extraEnv . }}{{ end }}{{ end -}}
{{- $replicas := .replicas -}}
{{- if and (ne $ring.autoscaling.engine "none") (not $isCanary) -}}
{{- /*
  The number belongs to the autoscaler: what is running stays. Leaving it out of an upgrade that switches autoscaling on would make
  it 1 for a moment. There is nothing to look up in `helm template`, and then it is left out, which GitOps tools need.
*/}}
{{- $replicas = dig "spec" "replicas" "" (lookup "apps/v1" "Deployment" $root.Release.Namespace $name) -}}
{{- end -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "ringmaster.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .ring }}
    {{- with .track }}
    ringmaster.io/track: {{ . }}
    {{- end }}
spec:
  {{- if not (kindIs "string" $replicas) }}
  replicas: {{ $replicas | int64 }}
  {{- end }}
  {{- with $derived.minReadySeconds }}
  minReadySeconds: {{ int64 . }}
  {{- end }}
  {{- with $derived.progressDeadlineSeconds }}
  progressDeadlineSeconds: {{ int64 . }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: {{ .maxSurge }}
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "ringmaster.selectorLabels" $selected | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with $ring.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "ringmaster.selectorLabels" $selected | nindent 8 }}
      annotations:
        {{- with $ring.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if not $root.Values.existingConfigSecret }}
        checksum/config: {{ include "ringmaster.configChecksum" . }}
        {{- end }}
        kubectl.kubernetes.io/default-container: {{ .ring }}
    spec:
      {{- include "ringmaster.podBasis" $root | nindent 6 }}
      terminationGracePeriodSeconds: {{ $derived.graceSeconds | int64 }}
      {{- with $ring.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $ring.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      affinity:
        {{- merge (deepCopy $ring.affinity) (include "ringmaster.zoneAffinity" $selected | fromYaml) | toYaml | nindent 8 }}
      {{- with $ring.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- with $ring.topologySpreadConstraints }}
        {{- toYaml . | nindent 8 }}
        {{- else }}
        - topologyKey: kubernetes.io/hostname
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "ringmaster.selectorLabels" $selected | nindent 14 }}
          {{- /* Each version by itself, or the old pods of a roll-out would push the new ones together. */}}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      containers:
        - name: {{ .ring }}
          args: [serve]
          {{- include "ringmaster.container" (dict
            "root" $root
            "ring" .ring
            "image" (default dict .image)
            "extraEnv" $extraEnv
          ) | nindent 10 }}
          ports:
            {{- if eq .ring "channels" }}
            - name: channels
              containerPort: 6001
            {{- end }}
            - name: ops
              containerPort: 9601
          {{- /* A process that waits for its Redis is alive: it opens the operations port first. */}}
          startupProbe:
            httpGet: {path: /healthz, port: ops}
            periodSeconds: 1
            timeoutSeconds: 3
            failureThreshold: 60
          {{- /* 503 when a loop of the packager or the sender has stood still for 30 s. */}}
          livenessProbe:
            httpGet: {path: /healthz, port: ops}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: ops}
            periodSeconds: 5
            timeoutSeconds: 3
            failureThreshold: 2
          {{- with $derived.preStopSeconds }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ int64 . }}
          {{- end }}
          resources:
            {{- toYaml $ring.resources | nindent 12 }}
{{- end }}

{{/*
Pods rather in zones that have none of their kind. Not a spread constraint like that of nodes, for the scheduler passes over a
node that lacks the label of any constraint: on a cluster without zones pods would not be spread at all.
*/}}
{{- define "ringmaster.zoneAffinity" -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: topology.kubernetes.io/zone
        labelSelector:
          matchLabels:
            {{- include "ringmaster.selectorLabels" . | nindent 12 }}
        matchLabelKeys: [pod-template-hash]
{{- end }}
