{{/* The name that all objects of a release share. */}}
{{- define "chairsync.name" -}}
{{- if contains "chairsync" .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- else -}}{{ printf "%s-chairsync" .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{/* Labels of an object of a component: (dict "root" $ "component" name). */}}
{{- define "chairsync.labels" -}}
{{ include "chairsync.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* What selects a component's pods. */}}
{{- define "chairsync.selector" -}}
app.kubernetes.io/name: chairsync
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Where the state is. */}}
{{- define "chairsync.redisUrl" -}}
{{- if .Values.redis.bundled -}}redis://{{ include "chairsync.name" . }}-redis:6379
{{- else -}}{{ required "redis.url is needed when redis.bundled is false, e.g. redis://redis.data:6379" .Values.redis.url }}{{- end -}}
{{- end -}}

{{/* Where live views are: engagement-sync knows one server without TLS only. */}}
{{- define "chairsync.liveViewUrl" -}}
{{- $url := include "chairsync.redisUrl" . -}}
{{- if .Values.redis.liveViewUrl -}}{{ .Values.redis.liveViewUrl }}
{{- else if hasPrefix "redis://" $url -}}{{ $url }}
{{- else -}}{{ fail "redis.liveViewUrl is needed: engagement-sync keeps live views in one server without TLS, e.g. redis://redis.data:6379" }}{{- end -}}
{{- end -}}

{{/* The services of the mesh: component → key in values, port, binary. */}}
{{- define "chairsync.components" -}}
gateway: {values: gateway, port: 50050}
sync-state: {values: syncState, port: 50051}
analytics-sync: {values: analyticsSync, port: 50052}
engagement-sync: {values: engagementSync, port: 50053}
pms-connector: {values: pmsConnector, port: 50054}
{{- end -}}
