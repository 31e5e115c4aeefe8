{{- define "adconversion.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 55 | trimSuffix "-" }}
{{- end }}

{{/* At most 55 characters: names of Services end at 63, and suffixes follow. */}}
{{- define "adconversion.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 55 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 55 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "adconversion.selectorLabels" -}}
app.kubernetes.io/name: {{ include "adconversion.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "adconversion.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "adconversion.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: adconversion
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "adconversion.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "adconversion.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "adconversion.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* What the operator may do, in every namespace it works in. */}}
{{- define "adconversion.rules" -}}
# Read what users declare.
- apiGroups: [adconversion.dev]
  resources: [adconversionevents, googleadsaccounts, hubspotaccounts]
  verbs: [get, list, watch]
# Set and remove the finalizer.
- apiGroups: [adconversion.dev]
  resources: [adconversionevents, googleadsaccounts, hubspotaccounts]
  verbs: [patch]
- apiGroups: [adconversion.dev]
  resources: [adconversionevents/status, googleadsaccounts/status, hubspotaccounts/status]
  verbs: [get, patch]
# Secrets are read by the name an account gives, never listed or watched.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# The snippet for the web site of a form event: written and looked at by name.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
