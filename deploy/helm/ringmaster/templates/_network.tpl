{{/* Egress to the name service and to Redis, as a list: what every ring needs. */}}
{{- define "ringmaster.commonEgress" -}}
{{- with .Values.networkPolicy }}
- to:
    {{- toYaml .dnsPeers | nindent 4 }}
  ports:
    {{- range .dnsPorts }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- if $.Values.redis.bundled.enabled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "ringmaster.selectorLabels" (dict "root" $ "part" "redis") | nindent 10 }}
  ports:
    - {protocol: TCP, port: redis}
{{- else }}
- {{ with .redisPeers }}to:
    {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    {{- range splitList "," (include "ringmaster.redisPorts" $) }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Ingress to the operations port, as a list. */}}
{{- define "ringmaster.opsIngress" -}}
{{- with .Values.networkPolicy.opsFrom }}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    - {protocol: TCP, port: ops}
{{- end }}
{{- end }}

{{/*
Ranges that are no public machines: those that src/sender/address-guard.ts refuses, which judges every address too. This is
the second wall, should there be a way around the first. Of IPv6 only what is routed at all is let through, 2000::/3.
*/}}
{{- define "ringmaster.notPublic" -}}
"0.0.0.0/0":
  - 0.0.0.0/8
  - 10.0.0.0/8
  - 100.64.0.0/10
  - 127.0.0.0/8
  - 168.63.129.16/32
  - 169.254.0.0/16
  - 172.16.0.0/12
  - 192.0.0.0/24
  - 192.0.2.0/24
  - 192.88.99.0/24
  - 192.168.0.0/16
  - 198.18.0.0/15
  - 198.51.100.0/24
  - 203.0.113.0/24
  - 224.0.0.0/4
  - 240.0.0.0/4
"2000::/3":
  - 2001::/23
  - "2001:db8::/32"
  - 2002::/16
  - 3fff::/20
{{- end }}
