{{/* What the objects of a release are called, and how they find each other. */}}

{{/* 45 characters leave room for the longest suffix in a name of 63. */}}
{{- define "ringmaster.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- end }}

{{/* Never changes in the life of a release: selectors are made of it. */}}
{{- define "ringmaster.instanceLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Of any object. */}}
{{- define "ringmaster.labels" -}}
{{ include "ringmaster.instanceLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ include "ringmaster.version" . | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{/* Of the pods of one part: (dict "root" $ "part" "sender"), with "track" for one of the two Deployments of a sender. */}}
{{- define "ringmaster.selectorLabels" -}}
{{ include "ringmaster.instanceLabels" .root }}
app.kubernetes.io/component: {{ .part }}
{{- with .track }}
ringmaster.io/track: {{ . }}
{{- end }}
{{- end }}

{{- define "ringmaster.version" -}}
{{ default .Chart.AppVersion .Values.image.tag | trunc 63 }}
{{- end }}

{{/* The reference of an image: (dict "root" $ "image" .Values.sender.canary.image); what it does not say is that of `image`. */}}
{{- define "ringmaster.image" -}}
{{- $own := .image -}}
{{- $common := .root.Values.image -}}
{{- $repository := default $common.repository $own.repository -}}
{{- $digest := $own.digest -}}
{{- if not (or $own.tag $own.digest) }}{{ $digest = $common.digest }}{{ end -}}
{{- $tag := default (default .root.Chart.AppVersion $common.tag) $own.tag -}}
{{- ternary (printf "%s@%s" $repository $digest) (printf "%s:%s" $repository $tag) (ne (default "" $digest) "") -}}
{{- end }}

{{- define "ringmaster.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "ringmaster.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "ringmaster.configSecretName" -}}
{{ default (printf "%s-config" (include "ringmaster.fullname" .)) .Values.existingConfigSecret }}
{{- end }}

{{/* Tells the series of this release from others, for a query. */}}
{{- define "ringmaster.seriesMatchers" -}}
{{- $derived := printf "namespace=%q,release=%q" .Release.Namespace (include "ringmaster.fullname" .) -}}
{{- default $derived .Values.monitoring.seriesMatchers -}}
{{- end }}
