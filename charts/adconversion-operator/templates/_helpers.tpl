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

{{/* Name of what has no namespace: each release has its own, as names of releases and namespaces hold no dots. */}}
{{- define "adconversion.clusterName" -}}
{{- printf "%s.%s" (include "adconversion.fullname" .) (include "adconversion.namespace" .) }}
{{- end }}

{{/* Name of what may be in a namespace that several releases share: (list $ "monitoring"). */}}
{{- define "adconversion.nameIn" -}}
{{- $root := index . 0 }}
{{- $own := include "adconversion.namespace" $root }}
{{- if eq $own (default $own (index . 1)) }}
{{- include "adconversion.fullname" $root }}
{{- else }}
{{- include "adconversion.clusterName" $root }}
{{- end }}
{{- end }}

{{- define "adconversion.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "adconversion.selectorLabels" -}}
app.kubernetes.io/name: {{ include "adconversion.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of an object of a component, and further ones: (list $ "operator" (dict …)). Those of the chart win. */}}
{{- define "adconversion.labelsOf" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "adconversion.name" $root)
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/component" $component
  "app.kubernetes.io/part-of" "adconversion"
  "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- if ne $component "operator" }}
{{- $_ := set $own "app.kubernetes.io/name" (include "adconversion.componentName" .) }}
{{- end }}
{{- toYaml (merge $own (index . 2 | default dict) ($root.Values.commonLabels | default dict)) }}
{{- end }}

{{/* A name apart, so that no selector of the operator's finds pods of other components. */}}
{{- define "adconversion.componentName" -}}
{{- printf "%s-%s" (include "adconversion.name" (index . 0)) (index . 1) }}
{{- end }}

{{- define "adconversion.labels" -}}
{{- include "adconversion.labelsOf" (list . "operator" dict) }}
{{- end }}

{{- define "adconversion.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "adconversion.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "adconversion.image" -}}
{{- $registry := default .Values.image.registry ((.Values.global).imageRegistry) }}
{{- $name := .Values.image.repository }}
{{- if $registry }}
{{- $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "adconversion.imagePullSecrets" -}}
{{- with concat (((.Values.global).imagePullSecrets) | default list) .Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* OpenShift gives out the ids of a pod itself. */}}
{{- define "adconversion.podSecurityContext" -}}
{{- $onOpenShift := and (eq .Values.openshift "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1") }}
{{- $context := default dict .Values.podSecurityContext }}
{{- if or $onOpenShift (eq .Values.openshift "enabled") }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{/* The namespaces it works in, as a list; an empty one: all. With the sandbox never all: real accounts are no business of it. */}}
{{- define "adconversion.watchNamespaces" -}}
{{- if .Values.watchNamespaces }}
{{- uniq .Values.watchNamespaces | toJson }}
{{- else if and .Values.sandbox.enabled .Values.sandbox.namespace }}
{{- list .Values.sandbox.namespace | toJson }}
{{- else }}
{{- list | toJson }}
{{- end }}
{{- end }}

{{/* Where a pod of the release may run, and how it resolves names. */}}
{{- define "adconversion.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq (toString .Values.hostUsers) "false" }}
hostUsers: false
{{- end }}
{{- end }}

{{/* What the operator may do, in every namespace it works in. */}}
{{- define "adconversion.rules" -}}
# Read what users declare.
- apiGroups: [adconversion.dev]
  resources: [adconversionevents, googleadsaccounts, hubspotaccounts]
  verbs: [list, watch]
# Set and remove the finalizer.
- apiGroups: [adconversion.dev]
  resources: [adconversionevents, googleadsaccounts, hubspotaccounts]
  verbs: [patch]
- apiGroups: [adconversion.dev]
  resources: [adconversionevents/status, googleadsaccounts/status, hubspotaccounts/status]
  verbs: [patch]
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

{{/* The members of `config` that are addresses. */}}
{{- define "adconversion.endpoints" -}}
{{- list "hubspotEndpoint" "googleAdsEndpoint" "dataManagerEndpoint" "googleTokenEndpoint" | toJson }}
{{- end }}

{{/* Flags of the operator out of `config`, and those that lead to the sandbox. Users' flags win, except for addresses. */}}
{{- define "adconversion.config" -}}
{{- $config := default dict .Values.config }}
{{- if .Values.sandbox.enabled }}
{{- range include "adconversion.endpoints" . | fromJsonArray }}
{{- if hasKey $config . }}
{{- fail (printf "config.%s and sandbox.enabled exclude each other: the sandbox is no place for real accounts" .) }}
{{- end }}
{{- end }}
{{- $base := printf "http://%s-sandbox.%s.svc:8787" (include "adconversion.fullname" .) (include "adconversion.namespace" .) }}
{{- $short := dict
  "hubspotEndpoint" $base "googleAdsEndpoint" $base "dataManagerEndpoint" $base
  "googleTokenEndpoint" (printf "%s/token" $base)
  "minInterval" "2s" "uploadInterval" "2s" "statusInterval" "2s" "settleDelay" "2s" "clickGrace" "10s"
  "newActionHold" "0s" "tooRecentWait" "0s" "createSettle" "2s"
  "diagnosticsFirstPoll" "3s" "diagnosticsMaxPoll" "5s" "googleRefreshInterval" "10s"
  "accountCheckInterval" "5s" "stalledProbeInterval" "10s" "backoffMax" "10s" }}
{{- $config = merge (deepCopy $config) $short }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* The flags that the chart passes, in their order. Of each: its name, its value, and what to do instead of setting it another way. */}}
{{- define "adconversion.flags" -}}
{{- $flags := list (list "listen" "[::]:8080" "Leave it out: service.port is the port of the Service") }}
{{- if not .Values.ledger.postgresql.urlSecretRef.name }}
{{- $flags = append $flags (list "ledger-url" "sqlite:///var/lib/adconversion/ledger.db" "Set ledger.postgresql.urlSecretRef") }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
{{- $lease := "Leave it out: with leaderElection.enabled the chart makes the Lease" }}
{{- $flags = append $flags (list "leader-elect" "true" "Leave it out: leaderElection.enabled sets it") }}
{{- $flags = append $flags (list "lease-name" (include "adconversion.fullname" .) $lease) }}
{{- $flags = append $flags (list "lease-namespace" (include "adconversion.namespace" .) $lease) }}
{{- end }}
{{- with include "adconversion.watchNamespaces" . | fromJsonArray }}
{{- $flags = append $flags (list "watch-namespaces" (join "," .) "Set watchNamespaces") }}
{{- end }}
{{- with .Values.ambientCredentialsNamespaces }}
{{- $flags = append $flags (list "ambient-credentials-namespaces" (join "," (uniq .)) "Set ambientCredentialsNamespaces") }}
{{- end }}
{{- range $key, $value := include "adconversion.config" . | fromYaml }}
{{- $do := printf "Set config.%s" $key }}
{{- if and $.Values.sandbox.enabled (has $key (include "adconversion.endpoints" $ | fromJsonArray)) }}
{{- $do = "Leave it out: with sandbox.enabled the operator asks the simulation" }}
{{- end }}
{{- $flags = append $flags (list (kebabcase $key) (toString $value) $do) }}
{{- end }}
{{- toJson $flags }}
{{- end }}

{{/* The label `job` that a Prometheus gives to the operator's series. */}}
{{- define "adconversion.job" -}}
{{- if .Values.prometheusRule.job }}
{{- .Values.prometheusRule.job }}
{{- else if (.Values.podMonitor).enabled }}
{{- printf "%s/%s" (default (include "adconversion.namespace" .) .Values.podMonitor.namespace) (include "adconversion.nameIn" (list . .Values.podMonitor.namespace)) }}
{{- else }}
{{- printf "%s-metrics" (include "adconversion.fullname" .) }}
{{- end }}
{{- end }}

{{/* The claim with the ledger; nothing where the ledger is elsewhere. */}}
{{- define "adconversion.claim" -}}
{{- if and .Values.persistence.enabled (not .Values.ledger.postgresql.urlSecretRef.name) }}
{{- .Values.persistence.existingClaim | default (printf "%s-ledger" (include "adconversion.fullname" .)) }}
{{- end }}
{{- end }}
