{{/* Values that contradict each other, refused with what to do. What one value alone may be is in values.schema.json. */}}
{{- define "adconversion.checks" -}}
{{- include "adconversion.checkReplicas" . }}
{{- include "adconversion.checkStrategy" . }}
{{- include "adconversion.checkLease" . }}
{{- include "adconversion.checkSandbox" . }}
{{- if and (.Values.serviceMonitor).enabled (.Values.podMonitor).enabled }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled exclude each other: every series would be there twice. Enable one of them" }}
{{- end }}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret }}
{{- fail "caBundle.configMap and caBundle.secret exclude each other: name one of them" }}
{{- end }}
{{- if and (eq (toString .Values.dnsPolicy) "None") (not (.Values.dnsConfig).nameservers) }}
{{- fail "dnsPolicy None needs dnsConfig.nameservers: without one no name is resolved, and Kubernetes refuses the pod" }}
{{- end }}
{{- end }}

{{- define "adconversion.checkReplicas" -}}
{{- if gt (int .Values.replicas) 1 }}
{{- if not .Values.ledger.postgresql.urlSecretRef.name }}
{{- fail (printf "replicas: %d needs a ledger in PostgreSQL, because a file is one pod's: set ledger.postgresql.urlSecretRef.name, and leaderElection.enabled" (int .Values.replicas)) }}
{{- end }}
{{- if not .Values.leaderElection.enabled }}
{{- fail (printf "replicas: %d needs leaderElection.enabled: a Lease says which of the pods works, the others stand by" (int .Values.replicas)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adconversion.checkStrategy" -}}
{{- if eq (toString (.Values.strategy).type) "RollingUpdate" }}
{{- $standby := and .Values.leaderElection.enabled .Values.ledger.postgresql.urlSecretRef.name }}
{{- $unavailable := ((.Values.strategy).rollingUpdate).maxUnavailable | toString }}
{{- if not (or $standby (eq $unavailable "100%") (regexMatch "^[1-9][0-9]*$" $unavailable)) }}
{{- fail "strategy.type RollingUpdate would never end: the new pod is not ready until the old one, which stays until then, lets go of the ledger. Leave strategy empty, or set strategy.rollingUpdate.maxUnavailable to 1, or set leaderElection.enabled with a ledger in PostgreSQL" }}
{{- end }}
{{- end }}
{{- end }}

{{/* A duration of config in milliseconds. */}}
{{- define "adconversion.milliseconds" -}}
{{- $text := replace "ms" "x" . }}
{{- $sum := 0 }}
{{- range $unit, $size := dict "h" 3600000 "m" 60000 "s" 1000 "x" 1 }}
{{- $count := regexFind (printf "[0-9]+%s" $unit) $text | trimSuffix $unit | default "0" | int64 }}
{{- $sum = add $sum (mul $count $size) }}
{{- end }}
{{- $sum }}
{{- end }}

{{- define "adconversion.checkLease" -}}
{{- if .Values.leaderElection.enabled }}
{{- $config := default dict .Values.config }}
{{- $duration := default "15s" $config.leaseDuration }}
{{- $renew := default "10s" $config.leaseRenew }}
{{- $retry := default "2s" $config.leaseRetry }}
{{- $times := list }}
{{- range list $duration $renew $retry }}
{{- $times = append $times (include "adconversion.milliseconds" . | int64) }}
{{- end }}
{{- if or (le (index $times 0) (index $times 1)) (le (index $times 1) (index $times 2)) (eq (index $times 2) 0) }}
{{- fail (printf "config.leaseDuration (%s) must be longer than config.leaseRenew (%s), and that longer than config.leaseRetry (%s)" $duration $renew $retry) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adconversion.checkSandbox" -}}
{{- if .Values.sandbox.enabled }}
{{- if .Values.ledger.postgresql.urlSecretRef.name }}
{{- fail "sandbox.enabled and ledger.postgresql exclude each other: what the simulation counts must not stand in a ledger that is kept" }}
{{- end }}
{{- if not (include "adconversion.watchNamespaces" . | fromJsonArray) }}
{{- fail "sandbox.enabled needs sandbox.namespace or watchNamespaces: events and accounts of other namespaces must not be sent to the simulation" }}
{{- end }}
{{- $namespace := include "adconversion.namespace" . }}
{{- $name := include "adconversion.fullname" . }}
{{- $installed := lookup "apps/v1" "Deployment" $namespace $name }}
{{- if and $installed (not (lookup "apps/v1" "Deployment" $namespace (printf "%s-sandbox" $name))) }}
{{- fail (printf "sandbox.enabled: the release %s works with real accounts, and the simulation would answer for them and fill their ledger. Install the simulation as a release of its own, in another cluster or uninstall this one first" .Release.Name) }}
{{- end }}
{{- end }}
{{- end }}
