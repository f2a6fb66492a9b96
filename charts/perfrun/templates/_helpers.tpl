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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "perfrun.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "perfrun.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The registry of the images with its slash, or nothing. */}}
{{- define "perfrun.registry" -}}
{{- with (.Values.global).imageRegistry | default .Values.image.registry }}{{ . }}/{{ end -}}
{{- end -}}

{{- define "perfrun.image" -}}
{{- include "perfrun.registry" . -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* The image with a browser. */}}
{{- define "perfrun.browserImage" -}}
{{- include "perfrun.registry" . -}}
{{ .Values.image.repository }}-browser:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.browserDigest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "perfrun.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "perfrun.tlsSecret" -}}
{{ include "perfrun.fullname" . }}-coordinator-tls
{{- end -}}

{{/* Who may read metrics: kubernetes, token or open. */}}
{{- define "perfrun.metricsAccess" -}}
{{ .Values.metrics.access | default (ternary "token" "kubernetes" (not (empty .Values.watchNamespaces))) }}
{{- end -}}

{{- define "perfrun.metricsTokenSecret" -}}
{{ include "perfrun.fullname" . }}-metrics-token
{{- end -}}

{{/* The name in the certificate, whatever address is scraped. */}}
{{- define "perfrun.metricsHost" -}}
{{ include "perfrun.fullname" . }}-leader.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* On which nodes pods of the chart may run, and how important they are. */}}
{{- define "perfrun.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Labels of all pods of the chart. */}}
{{- define "perfrun.podLabels" -}}
{{- with .Values.podLabels }}
{{- toYaml . }}
{{ end }}
{{- include "perfrun.labels" . }}
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

{{/* Settings of the operator. */}}
{{- define "perfrun.env" -}}
{{- $image := include "perfrun.image" . -}}
- name: PERFRUN_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: PERFRUN_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: PERFRUN_POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- name: PERFRUN_POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- {name: PERFRUN_LEASE, value: {{ include "perfrun.fullname" . }}}
- {name: PERFRUN_COORDINATOR_SERVICE, value: {{ include "perfrun.fullname" . }}-coordinator}
- name: PERFRUN_COORDINATOR_URL
  value: https://{{ include "perfrun.fullname" . }}-coordinator.{{ .Release.Namespace }}.svc:8443
- {name: PERFRUN_METRICS_SERVICE, value: {{ include "perfrun.fullname" . }}-leader}
- {name: PERFRUN_METRICS_ACCESS, value: {{ include "perfrun.metricsAccess" . }}}
{{- if eq (include "perfrun.metricsAccess" .) "token" }}
- {name: PERFRUN_METRICS_TOKEN_SECRET, value: {{ include "perfrun.metricsTokenSecret" . }}}
{{- end }}
- {name: PERFRUN_TLS_SECRET, value: {{ include "perfrun.tlsSecret" . }}}
- {name: PERFRUN_WATCH_NAMESPACES, value: {{ join "," .Values.watchNamespaces | quote }}}
- {name: PERFRUN_DEFAULT_POLICY, value: {{ .Values.policies.createDefault | quote }}}
- {name: PERFRUN_API_AUDIENCES, value: {{ join "," .Values.policies.apiServerAudiences | quote }}}
{{- if and .Values.watchNamespaces .Values.policies.written }}
- {name: PERFRUN_POLICY_FILE, value: /etc/perfrun/policies.yaml}
{{- end }}
{{- if .Values.receivers }}
- {name: PERFRUN_RECEIVERS, value: /etc/perfrun-receivers}
{{- end }}
- {name: PERFRUN_TEST_LABELS, value: {{ join "," .Values.metrics.testLabels | quote }}}
- {name: PERFRUN_LOG_LEVEL, value: {{ .Values.logLevel }}}
- {name: PERFRUN_WORKER_IMAGE, value: {{ .Values.worker.image | default $image | quote }}}
- {name: PERFRUN_BROWSER_IMAGE, value: {{ .Values.worker.browserImage | default (include "perfrun.browserImage" .) | quote }}}
- {name: PERFRUN_WORKER_PULL_POLICY, value: {{ .Values.image.pullPolicy }}}
- {name: PERFRUN_WORKER_PULL_SECRETS, value: {{ join "," .Values.image.pullSecrets | quote }}}
- {name: PERFRUN_WORKER_CPU, value: {{ .Values.worker.cpu | quote }}}
- {name: PERFRUN_WORKER_MEMORY, value: {{ .Values.worker.memory | quote }}}
- {name: PERFRUN_WORKER_MEMORY_LIMIT, value: {{ .Values.worker.memoryLimit | quote }}}
- {name: PERFRUN_WORKER_USER, value: {{ .Values.worker.runAsUser | default "" | toString | quote }}}
{{- with .Values.worker.podTemplate }}
- {name: PERFRUN_WORKER_POD, value: {{ toJson . | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The ConfigMap of policies; it has another name whenever they change. */}}
{{- define "perfrun.policiesName" -}}
{{ include "perfrun.fullname" . }}-policies-{{ .Values.policies.written | toJson | sha256sum | trunc 8 }}
{{- end -}}

{{/* The receivers as the operator reads them; their secrets are mounted separately. */}}
{{- define "perfrun.receivers" -}}
{{- $plain := list -}}
{{- range .Values.receivers }}{{ $plain = append $plain (omit . "urlFrom" "signingKeyFrom") }}{{ end -}}
{{- $plain | toJson -}}
{{- end -}}

{{- define "perfrun.receiversName" -}}
{{ include "perfrun.fullname" . }}-receivers-{{ include "perfrun.receivers" . | sha256sum | trunc 8 }}
{{- end -}}

{{/* What the operator does in the namespaces of tests. */}}
{{- define "perfrun.namespacedRules" -}}
- apiGroups: [perfrun.dev]
  resources: [perftests]
  verbs: [get, list, watch]
- apiGroups: [perfrun.dev]
  resources: [perfruns]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [perfrun.dev]
  resources: [perftests/status, perfruns/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list]
# The account of workers: created in each namespace of tests, without any rights. RBAC cannot
# restrict `create` to a name.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [create]
- apiGroups: [""]
  resources: [serviceaccounts]
  resourceNames: [perfrun-worker]
  verbs: [get, patch, delete]
# Plans, reports of workers, and results.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, patch, delete]
# Where the pods of a script may connect to: a policy for each run, and the Services that are targets.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create]
- apiGroups: [""]
  resources: [services]
  verbs: [get]
# What each run executes, frozen.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, create, delete]
# Whether a rollout is complete (runOn: [Rollout]).
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get]
# CPU and memory of observed workloads (observe).
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [list]
# Its own events, and why the Job controller could not create a worker's pod.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list]
{{- end -}}
