{{/*
Values that are each allowed but not together, and settings of ringmaster.yaml that are the chart's. All of them are told at once,
each in a sentence that says what would be right.
*/}}
{{- define "ringmaster.refuse" -}}
{{- $found := concat
  (include "ringmaster.appFaults" . | fromYamlArray)
  (include "ringmaster.redisFaults" . | fromYamlArray)
  (include "ringmaster.drainFaults" . | fromYamlArray)
  (include "ringmaster.scalingFaults" . | fromYamlArray)
  (include "ringmaster.accessFaults" . | fromYamlArray)
  (include "ringmaster.settingFaults" . | fromYamlArray)
  (include "ringmaster.podFaults" . | fromYamlArray) -}}
{{- if $found -}}
{{- fail (printf "\n\nThe values are wrong:\n\n  %s\n" (join "\n  " $found)) -}}
{{- end -}}
{{- end }}

{{- define "ringmaster.appFaults" -}}
{{- $places := list -}}
{{- if .Values.config.apps }}{{ $places = append $places "config.apps" }}{{ end -}}
{{- if .Values.existingConfigSecret }}{{ $places = append $places "existingConfigSecret" }}{{ end -}}
{{- if .Values.defaultApp.existingSecret }}{{ $places = append $places "defaultApp.existingSecret" }}{{ end -}}
{{- if not $places }}
- "There is no app. List apps in config.apps, name a Secret with a ringmaster.yaml in existingConfigSecret, or name one with the credentials of a single app in defaultApp.existingSecret."
{{- end }}
{{- if and (has "config.apps" $places) (has "defaultApp.existingSecret" $places) }}
- "config.apps and defaultApp.existingSecret are both given, but the default app is there only when no others are. Leave one out."
{{- end }}
{{- if and .Values.config .Values.existingConfigSecret }}
- "config and existingConfigSecret are both given, but there is one ringmaster.yaml. Leave one out."
{{- end }}
{{- if and .Values.defaultApp.webhookUrl (not .Values.defaultApp.existingSecret) }}
- "defaultApp.webhookUrl does nothing without defaultApp.existingSecret. Give that, or leave it out."
{{- end }}
{{- end }}

{{- define "ringmaster.redisFaults" -}}
{{- $redis := .Values.redis -}}
{{- $secret := $redis.existingSecret -}}
{{- $places := list -}}
{{- if $redis.url }}{{ $places = append $places "redis.url" }}{{ end -}}
{{- if $secret.urlKey }}{{ $places = append $places "redis.existingSecret.urlKey" }}{{ end -}}
{{- if $redis.clusterNodes }}{{ $places = append $places "redis.clusterNodes" }}{{ end -}}
{{- if $redis.sentinelNodes }}{{ $places = append $places "redis.sentinelNodes" }}{{ end -}}
{{- if and $redis.bundled.enabled $places }}
- {{ printf "%s is given beside the bundled Redis, but there is one store. Set redis.bundled.enabled to false, or leave the other out." (first $places) | quote }}
{{- else if gt (len $places) 1 }}
- {{ printf "%s are given, but there is one store. Leave all but one out." (join " and " $places) | quote }}
{{- else if not (or $redis.bundled.enabled $places) }}
- "There is no Redis. Set redis.bundled.enabled to true, or give one of redis.url, redis.existingSecret.urlKey, redis.clusterNodes and redis.sentinelNodes."
{{- end }}
{{- if regexMatch "^[a-z]+://[^/@]*:[^/@]*@" $redis.url }}
- "redis.url has a password in it, which would stand in every manifest. Keep the URL in a Secret and name that in redis.existingSecret.name and urlKey."
{{- end }}
{{- if and (or $secret.urlKey $secret.passwordKey $secret.sentinelPasswordKey) (not $secret.name) }}
- "redis.existingSecret has keys and no name. Give the name of the Secret."
{{- end }}
{{- if and $secret.name (not (or $secret.urlKey $secret.passwordKey $secret.sentinelPasswordKey)) }}
- "redis.existingSecret has a name and no key. Give urlKey, passwordKey or sentinelPasswordKey."
{{- end }}
{{- if and $redis.bundled.enabled (or $redis.username $secret.passwordKey $redis.database $redis.tls.enabled $redis.tls.existingSecret $redis.tls.serverName) }}
- "redis.username, redis.database, redis.existingSecret.passwordKey and redis.tls are of an external Redis; the bundled one has none of them. Leave them out, or set redis.bundled.enabled to false."
{{- end }}
{{- if ne (ternary 1 0 (empty $redis.sentinelNodes)) (ternary 1 0 (empty $redis.sentinelPrimaryName)) }}
- "redis.sentinelNodes and redis.sentinelPrimaryName need each other. Give both, or leave both out."
{{- end }}
{{- if and (empty $redis.sentinelNodes) (or $redis.sentinelUsername $secret.sentinelPasswordKey) }}
- "redis.sentinelUsername and redis.existingSecret.sentinelPasswordKey do nothing without redis.sentinelNodes. Give those, or leave them out."
{{- end }}
{{- if and $redis.clusterNodes $redis.database }}
- "redis.database is not 0, but a Cluster has no other. Leave it out."
{{- end }}
{{- with $redis.tls }}
{{- $hasKeys := or .caKey .certKey .keyKey }}
{{- if and $hasKeys (not .existingSecret) }}
- "redis.tls has keys of a Secret and no Secret. Name it in redis.tls.existingSecret."
{{- end }}
{{- if and .existingSecret (not $hasKeys) }}
- "redis.tls.existingSecret is given without a key. Give caKey, or certKey and keyKey."
{{- end }}
{{- if ne (ternary 1 0 (empty .certKey)) (ternary 1 0 (empty .keyKey)) }}
- "redis.tls.certKey and redis.tls.keyKey need each other. Give both, or leave both out."
{{- end }}
{{- /* A URL in a Secret may be rediss://, which cannot be seen here. */}}
{{- if and (or $hasKeys .serverName) (not .enabled) (not (hasPrefix "rediss://" $redis.url)) (not $secret.urlKey) (not $redis.bundled.enabled) }}
- "redis.tls has a certificate or a server name, but TLS is off. Set redis.tls.enabled to true, or begin redis.url with rediss://."
{{- end }}
{{- end }}
{{- end }}

{{- define "ringmaster.drainFaults" -}}
{{- $timeoutMs := .Values.sender.longestWebhookTimeoutMs -}}
{{- if not (kindIs "invalid" $timeoutMs) }}
{{- $configuredMs := include "ringmaster.longestConfiguredTimeoutMs" . | int64 }}
{{- if and .Values.config.apps (lt (int64 $timeoutMs) $configuredMs) }}
- {{ printf "sender.longestWebhookTimeoutMs is %d, but a webhook may take %d ms: a sender that stops would cut it off. Give at least that, or null." (int64 $timeoutMs) $configuredMs | quote }}
{{- end }}
{{- end }}
{{- if and .Values.monitoring.podMonitor.enabled (ge (int64 .Values.monitoring.podMonitor.intervalSeconds) (int64 .Values.channels.drain.overrunSeconds)) }}
- {{ printf "monitoring.podMonitor.intervalSeconds is not below channels.drain.overrunSeconds (%d), so a drain that overruns could end unseen. Scrape more often, or grant more." (int64 .Values.channels.drain.overrunSeconds) | quote }}
{{- end }}
{{- end }}

{{- define "ringmaster.scalingFaults" -}}
{{- $root := . -}}
{{- range $name := list "channels" "packager" "sender" }}
{{- with (get $root.Values $name).autoscaling }}
{{- if ne .engine "none" }}
{{- if gt (int64 .minReplicas) (int64 .maxReplicas) }}
- {{ printf "%s.autoscaling.minReplicas is more than maxReplicas (%d). Give at most that." $name (int64 .maxReplicas) | quote }}
{{- end }}
{{- $isByCpu := and (eq .engine "hpa") (eq (default "cpu" .hpaMetric) "cpu") }}
{{- if and $isByCpu (not (dig "requests" "cpu" "" (get $root.Values $name).resources)) }}
- {{ printf "%s.autoscaling goes by CPU, of which there is no request to take per cent of. Give %s.resources.requests.cpu." $name $name | quote }}
{{- end }}
{{- if and (eq .engine "keda") (eq $root.Values.keda.trigger "prometheus") (not $root.Values.keda.serverAddress) }}
- {{ printf "%s.autoscaling asks Prometheus, and keda.serverAddress does not say where that is. Give its URL, or set keda.trigger to metrics-api." $name | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.keda.serverAddress (ne .Values.keda.trigger "prometheus") }}
- "keda.serverAddress does nothing with the trigger metrics-api. Set keda.trigger to prometheus, or leave it out."
{{- end }}
{{- with .Values.channels.autoscaling }}
{{- $most := $root.Values.config.maxConnections }}
{{- if and (ne .engine "none") $most (gt (int64 .connectionsPerPod) (int64 $most)) }}
- {{ printf "channels.autoscaling.connectionsPerPod is more than a pod takes (config.maxConnections is %d), so none would ever be added. Give less than that." (int64 $most) | quote }}
{{- end }}
{{- end }}
{{- with .Values.sender.canary }}
{{- if and .enabled (not (or .image.repository .image.tag .image.digest .extraEnv)) }}
- "sender.canary has neither an image nor a variable of its own, so it would be the version that runs already. Give sender.canary.image.tag."
{{- end }}
{{- end }}
{{- end }}

{{- define "ringmaster.accessFaults" -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
- "ingress.enabled is true and ingress.hosts is empty. Give the names that clients connect to."
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
- "gateway.enabled is true and gateway.parentRefs is empty. Name the Gateway that the route belongs to."
{{- end }}
{{- with .Values.channels.service }}
{{- if and (ne .type "LoadBalancer") .loadBalancerClass }}
- "channels.service.loadBalancerClass does nothing but with the type LoadBalancer. Set that type, or leave it out."
{{- end }}
{{- if and (eq .type "ClusterIP") .externalTrafficPolicy }}
- "channels.service.externalTrafficPolicy does nothing with the type ClusterIP. Set LoadBalancer or NodePort, or leave it out."
{{- end }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) .Values.serviceAccount.annotations }}
- "serviceAccount.annotations do nothing when serviceAccount.create is false. Annotate the existing one, or leave them out."
{{- end }}
{{- end }}

{{/* Settings that are the chart's, in the file. */}}
{{- define "ringmaster.settingFaults" -}}
{{- $config := .Values.config -}}
{{- range $path, $instead := .Files.Get "files/refused-settings.yaml" | fromYaml }}
{{- $section := splitList "." $path | first }}
{{- $name := trimPrefix (printf "%s." $section) $path }}
{{- $isGiven := hasKey $config $section }}
{{- if ne $name $path }}
{{- $within := get $config $section }}
{{- $isGiven = and (kindIs "map" $within) (hasKey (ternary $within dict (kindIs "map" $within)) $name) }}
{{- end }}
{{- if $isGiven }}
- {{ printf "config.%s is the chart's to set: %s." $path $instead | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The same as variables, and labels that selectors are made of. */}}
{{- define "ringmaster.podFaults" -}}
{{- $root := . -}}
{{- $refused := .Files.Get "files/refused-settings.yaml" | fromYaml -}}
{{- range $ring := list "channels" "packager" "sender" "sender.canary" }}
{{- $values := $root.Values }}
{{- range splitList "." $ring }}{{ $values = get $values . }}{{ end }}
{{- range $values.extraEnv }}
{{- $variable := .name }}
{{- if has $variable (list "RINGMASTER_CONFIG" "RINGMASTER_APP_ID" "RINGMASTER_APP_KEY" "RINGMASTER_APP_SECRET" "RINGMASTER_APP_WEBHOOK_URL") }}
- {{ printf "%s.extraEnv has %s, which the chart sets itself. Use config, existingConfigSecret or defaultApp." $ring $variable | quote }}
{{- end }}
{{- range $path, $instead := $refused }}
{{- $own := printf "RINGMASTER_%s" ($path | replace "." "_" | snakecase | upper) }}
{{- if or (eq $variable $own) (and (not (contains "." $path)) (hasPrefix (printf "%s_" $own) $variable)) }}
- {{ printf "%s.extraEnv has %s, which the chart sets itself: %s." $ring $variable $instead | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- range $label, $_ := $values.podLabels }}
{{- if or (has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "ringmaster.io/track")) }}
- {{ printf "%s.podLabels has %s, by which the pods are found. Leave it out." $ring $label | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
