{{/*
Every number that follows from others, each with its reason. As YAML, for `fromYaml`; whole numbers all of them, but those are
floats in a template: print them with int64.
*/}}
{{- define "ringmaster.derived" -}}
{{- $config := .Values.config -}}
{{- $drain := .Values.channels.drain -}}
{{- $webhookTimeoutMs := include "ringmaster.longestWebhookTimeoutMs" . | int64 -}}
{{- $commandTimeoutMs := dig "redis" "commandTimeoutMs" 5000 $config | int64 -}}
{{- $activityTimeoutMs := dig "websocket" "activityTimeoutMs" 120000 $config | int64 -}}

{{- /* The process exits by itself at its deadline, with a log line that says why. Kubernetes kills later, and only if it does not. */}}
{{- $exitSeconds := 5 -}}
{{- /* For what a process holds in Redis to be withdrawn, at the very end. */}}
{{- $leaveMs := 2000 -}}

{{- $channelsDeadlineMs := mul 1000 (add $drain.noticeSeconds $drain.windowSeconds $drain.overrunSeconds) }}
channels:
  preStopSeconds: {{ $drain.preStopSeconds | int64 }}
  noticeMs: {{ mul 1000 $drain.noticeSeconds }}
  windowMs: {{ mul 1000 $drain.windowSeconds }}
  deadlineMs: {{ $channelsDeadlineMs }}
  {{- /* The time in preStop counts as well. */}}
  graceSeconds: {{ add $drain.preStopSeconds (div $channelsDeadlineMs 1000) $exitSeconds }}
  {{- /*
    A Deployment does not wait for pods that are ending: it goes on as soon as the new pod is available. That must take as long
    as a window, or the next pod's sockets were closed on top of this one's. Both close theirs equally long after their end was
    decided, so the window alone is the distance.
  */}}
  minReadySeconds: {{ $drain.windowSeconds | int64 }}
  {{- /* From one pod that becomes available to the next: Kubernetes' own 600 s on top of what the window takes of it. */}}
  progressDeadlineSeconds: {{ add $drain.windowSeconds 600 }}
  {{- /* Scaling in takes one pod at a time, the next when the clients of the one before are settled. 1800 is the most that an HPA takes. */}}
  scaleDownPeriodSeconds: {{ min 1800 (add $drain.windowSeconds 60) }}
  {{- /* A socket on which nothing passes for longer is dead: a client shows life within the activity timeout. */}}
  idleTimeoutSeconds: {{ add 10 (div (add $activityTimeoutMs 999) 1000) }}

{{- /*
  Its last steps are each at most one call to Redis: to hear of the partitions that it has been given, to queue what has
  gathered, to settle that, to release the partitions. Nobody routes to it, so nothing has to notice and there is no window.
*/}}
{{- $packagerDeadlineMs := add (mul 4 $commandTimeoutMs) $leaveMs }}
packager:
  noticeMs: 0
  windowMs: 0
  deadlineMs: {{ $packagerDeadlineMs }}
  graceSeconds: {{ add (div (add $packagerDeadlineMs 999) 1000) $exitSeconds }}

{{- /* Whoever is being asked when the end comes gets the time that it was promised, so that nothing is sent twice; then 5 s to settle. */}}
{{- $stopTimeoutMs := add $webhookTimeoutMs 1000 }}
{{- $senderDeadlineMs := add $stopTimeoutMs 5000 $leaveMs }}
sender:
  noticeMs: 0
  windowMs: 0
  stopTimeoutMs: {{ $stopTimeoutMs }}
  deadlineMs: {{ $senderDeadlineMs }}
  graceSeconds: {{ add (div (add $senderDeadlineMs 999) 1000) $exitSeconds }}
{{- end }}

{{/*
The longest time that one attempt may take. 4 s at least, the default, so that a webhook without timeoutMs is added without
restarting the senders. 30 s, the most that there is, where the configuration cannot be seen.
*/}}
{{- define "ringmaster.longestWebhookTimeoutMs" -}}
{{- if not (kindIs "invalid" .Values.sender.longestWebhookTimeoutMs) -}}
{{ .Values.sender.longestWebhookTimeoutMs | int64 }}
{{- else if .Values.existingConfigSecret -}}
30000
{{- else -}}
{{ include "ringmaster.longestConfiguredTimeoutMs" . }}
{{- end -}}
{{- end }}

{{- define "ringmaster.longestConfiguredTimeoutMs" -}}
{{- $longest := 4000 -}}
{{- range default list .Values.config.apps }}
{{- range default list .webhooks }}
{{- $longest = max $longest (default 0 .timeoutMs) -}}
{{- end }}
{{- end }}
{{- $longest -}}
{{- end }}

{{/* Proxies whose word is believed: the ingress or the gateway, where there is one. */}}
{{- define "ringmaster.trustedHops" -}}
{{- if kindIs "invalid" .Values.proxy.trustedHops -}}
{{ ternary 1 0 (or .Values.ingress.enabled .Values.gateway.enabled) }}
{{- else -}}
{{ .Values.proxy.trustedHops | int64 }}
{{- end -}}
{{- end }}

{{/* Ports of an external Redis, as a comma-separated list: those in the values, else those of the addresses given. */}}
{{- define "ringmaster.redisPorts" -}}
{{- $redis := .Values.redis -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.redisPorts }}{{ $ports = append $ports (int64 . | toString) }}{{ end -}}
{{- if not $ports }}
{{- range concat $redis.clusterNodes $redis.sentinelNodes (list $redis.url) }}
{{- with regexFind ":[0-9]+/?[0-9]*$" . }}{{ $ports = append $ports (regexFind "[0-9]+" .) }}{{ end }}
{{- end }}
{{- /* Behind Sentinels, and at an address that is in a Secret or names no port. */}}
{{- if or $redis.sentinelNodes (not $ports) }}{{ $ports = append $ports "6379" }}{{ end }}
{{- end }}
{{- $ports | uniq | join "," -}}
{{- end }}

{{/* Whose change needs a restart of a ring: all but the apps, which it reads again by itself, and what only other rings use. */}}
{{- define "ringmaster.configChecksum" -}}
{{- $others := dict
  "channels" (list "sender")
  "packager" (list "sender" "websocket" "http" "pathPrefix" "maxConnections" "host")
  "sender" (list "websocket" "http" "pathPrefix" "maxConnections" "host") -}}
{{- $config := omit .root.Values.config "apps" -}}
{{- range get $others .ring }}{{ $config = omit $config . }}{{ end -}}
{{- toJson $config | sha256sum -}}
{{- end }}
