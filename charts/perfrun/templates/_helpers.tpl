{{- define "perfrun.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters leave room for the suffixes of Services and Roles in the 63 of a DNS label. */}}
{{- define "perfrun.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "perfrun.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "perfrun.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "perfrun.selector" -}}
app.kubernetes.io/name: {{ include "perfrun.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "perfrun.labels" -}}
{{ include "perfrun.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: perfrun
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "perfrun.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "perfrun.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "perfrun.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "perfrun.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "perfrun.tlsSecret" -}}
{{ include "perfrun.fullname" . }}-coordinator-tls
{{- end -}}

{{/* The restricted profile of Pod Security, for pods. The user is the image's own. */}}
{{- define "perfrun.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The restricted profile of Pod Security, for containers. */}}
{{- define "perfrun.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What the operator does in the namespaces of tests. */}}
{{- define "perfrun.namespacedRules" -}}
- apiGroups: [perfrun.dev]
  resources: [perftests]
  verbs: [get, list, watch]
- apiGroups: [perfrun.dev]
  resources: [perfruns]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [perfrun.dev]
  resources: [perftests/status, perfruns/status]
  verbs: [get, update, patch]
# To be the owner of what belongs to a test or a run, where the cluster checks that.
- apiGroups: [perfrun.dev]
  resources: [perftests/finalizers, perfruns/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# Plans, reports of workers, and results.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, update, delete]
# What each run was made from, frozen.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, delete]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
