{{/* The variables that the chart sets, as a list: they win over the file. (dict "root" $ "ring" "sender"); "" is of no ring. */}}
{{- define "ringmaster.environment" -}}
{{- $derived := include "ringmaster.derived" .root | fromYaml -}}
- name: RINGMASTER_CONFIG
  value: /etc/ringmaster/ringmaster.yaml
{{- with .root.Values.defaultApp }}
{{- if .existingSecret }}
{{- if .idKey }}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_APP_ID" .existingSecret .idKey) }}
{{- end }}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_APP_KEY" .existingSecret .keyKey) }}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_APP_SECRET" .existingSecret .secretKey) }}
{{- with .webhookUrl }}
- name: RINGMASTER_APP_WEBHOOK_URL
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.ops.adminToken }}
{{- if .existingSecret }}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_OPS_ADMIN_TOKEN" .existingSecret .key) }}
{{- /* For `ringmaster webhooks` in the pod itself, by kubectl exec. */}}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_ADMIN_TOKEN" .existingSecret .key) }}
{{- end }}
{{- end }}
{{ include "ringmaster.redisEnvironment" .root | trim }}
{{- with .ring }}
- name: RINGMASTER_ROLES
  value: {{ . }}
{{- with get $derived . }}
- name: RINGMASTER_DRAIN_NOTICE_MS
  value: {{ .noticeMs | int64 | quote }}
- name: RINGMASTER_DRAIN_WINDOW_MS
  value: {{ .windowMs | int64 | quote }}
- name: RINGMASTER_DRAIN_DEADLINE_MS
  value: {{ .deadlineMs | int64 | quote }}
{{- end }}
{{- end }}
{{- if eq .ring "channels" }}
- name: RINGMASTER_PROXY_TRUSTED_HOPS
  value: {{ include "ringmaster.trustedHops" .root | quote }}
{{- else if eq .ring "sender" }}
- name: RINGMASTER_SENDER_STOP_TIMEOUT_MS
  value: {{ $derived.sender.stopTimeoutMs | int64 | quote }}
{{- with .root.Values.sender.allowedNetworks }}
- name: RINGMASTER_SENDER_ALLOWED_NETWORKS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ringmaster.redisEnvironment" -}}
{{- $redis := .Values.redis -}}
{{- $secret := $redis.existingSecret -}}
{{- if $redis.bundled.enabled }}
- name: RINGMASTER_REDIS_URL
  value: redis://{{ include "ringmaster.fullname" . }}-redis:6379
{{- else if $redis.url }}
- name: RINGMASTER_REDIS_URL
  value: {{ $redis.url | quote }}
{{- else if $secret.urlKey }}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_REDIS_URL" $secret.name $secret.urlKey) }}
{{- else if $redis.clusterNodes }}
- name: RINGMASTER_REDIS_CLUSTER_NODES
  value: {{ join "," $redis.clusterNodes | quote }}
{{- else if $redis.sentinelNodes }}
- name: RINGMASTER_REDIS_SENTINEL_NODES
  value: {{ join "," $redis.sentinelNodes | quote }}
- name: RINGMASTER_REDIS_SENTINEL_PRIMARY_NAME
  value: {{ $redis.sentinelPrimaryName | quote }}
{{- with $redis.sentinelUsername }}
- name: RINGMASTER_REDIS_SENTINEL_USERNAME
  value: {{ . | quote }}
{{- end }}
{{- with $secret.sentinelPasswordKey }}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_REDIS_SENTINEL_PASSWORD" $secret.name .) }}
{{- end }}
{{- end }}
{{- with $redis.username }}
- name: RINGMASTER_REDIS_USERNAME
  value: {{ . | quote }}
{{- end }}
{{- with $secret.passwordKey }}
{{ include "ringmaster.secretVariable" (list "RINGMASTER_REDIS_PASSWORD" $secret.name .) }}
{{- end }}
{{- if $redis.database }}
- name: RINGMASTER_REDIS_DATABASE
  value: {{ $redis.database | int64 | quote }}
{{- end }}
{{- if $redis.tls.enabled }}
- name: RINGMASTER_REDIS_TLS
  value: "true"
{{- end }}
{{- range $variable, $key := dict "CA_FILE" $redis.tls.caKey "CERT_FILE" $redis.tls.certKey "KEY_FILE" $redis.tls.keyKey }}
{{- if $key }}
- name: RINGMASTER_REDIS_{{ $variable }}
  value: /etc/ringmaster-redis/{{ $key }}
{{- end }}
{{- end }}
{{- with $redis.tls.serverName }}
- name: RINGMASTER_REDIS_SERVER_NAME
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* (list variable secret key) */}}
{{- define "ringmaster.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- end }}
