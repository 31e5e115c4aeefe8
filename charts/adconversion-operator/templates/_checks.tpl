{{/* Values that contradict each other, refused with what to do. What one value alone may be is in values.schema.json. */}}
{{- define "adconversion.checks" -}}
{{- include "adconversion.checkReplicas" . }}
{{- include "adconversion.checkStrategy" . }}
{{- include "adconversion.checkLease" . }}
{{- include "adconversion.checkSandbox" . }}
{{- include "adconversion.checkNames" . }}
{{- include "adconversion.checkFlags" . }}
{{- include "adconversion.checkExtra" . }}
{{- include "adconversion.checkPorts" . }}
{{- include "adconversion.checkAddresses" . }}
{{- include "adconversion.checkNetworks" . }}
{{- if contains "." (include "adconversion.fullname" .) }}
{{- fail (printf "the release name %s has a dot, which names of Services must not have: give the release another name, or set fullnameOverride" .Release.Name) }}
{{- end }}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}
{{- fail "serviceAccount.create false needs serviceAccount.name: without it the operator would run as the account default of the namespace, and every pod that names no account would have its permissions" }}
{{- end }}
{{- if and .Values.persistence.existingClaim (not .Values.persistence.enabled) }}
{{- fail "persistence.existingClaim needs persistence.enabled: without it the ledger is lost with each pod" }}
{{- end }}
{{- if and .Values.persistence.existingClaim .Values.ledger.postgresql.urlSecretRef.name }}
{{- fail "persistence.existingClaim and ledger.postgresql exclude each other: the ledger is in one of them. Set one" }}
{{- end }}
{{- if and (.Values.serviceMonitor).enabled (.Values.podMonitor).enabled }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled exclude each other: every series would be there twice. Enable one of them" }}
{{- end }}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret }}
{{- fail "caBundle.configMap and caBundle.secret exclude each other: name one of them" }}
{{- end }}
{{- if and (eq .Values.service.ipFamilyPolicy "SingleStack") (gt (len (.Values.service.ipFamilies | default list)) 1) }}
{{- fail "service.ipFamilyPolicy SingleStack takes one of service.ipFamilies: name one, or set PreferDualStack" }}
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
{{- if and (.Values.strategy).rollingUpdate (ne (toString (.Values.strategy).type) "RollingUpdate") }}
{{- fail "strategy.rollingUpdate needs strategy.type RollingUpdate: set that too, or leave strategy empty" }}
{{- end }}
{{- if eq (toString (.Values.strategy).type) "RollingUpdate" }}
{{- $standby := and .Values.leaderElection.enabled .Values.ledger.postgresql.urlSecretRef.name }}
{{- $unavailable := ((.Values.strategy).rollingUpdate).maxUnavailable | toString }}
{{- if not (or $standby (eq $unavailable "100%") (regexMatch "^[1-9][0-9]*$" $unavailable)) }}
{{- fail "strategy.type RollingUpdate would never end: the new pod is not ready until the old one, which stays until then, lets go of the ledger. Leave strategy empty, or set strategy.rollingUpdate.maxUnavailable to 1, or set leaderElection.enabled with a ledger in PostgreSQL" }}
{{- end }}
{{- end }}
{{- end }}

{{/* The ports of the operator's pod. */}}
{{- define "adconversion.checkPorts" -}}
{{- if hasSuffix ":8080" (toString (.Values.config).adminListen) }}
{{- fail "config.adminListen: port 8080 of the pod is that of /metrics and the probes. Use another one, such as 127.0.0.1:8081" }}
{{- end }}
{{- end }}

{{/* An address may hold a password: of a wrong one no more than digits is said. */}}
{{- define "adconversion.checkAddresses" -}}
{{- range include "adconversion.addresses" . | fromJsonArray }}
{{- $port := include "adconversion.portOf" (last .) }}
{{- if and $port (or (not (regexMatch "^[1-9][0-9]{0,4}$" $port)) (gt (int $port) 65535)) }}
{{- $what := regexMatch "^[0-9]+$" $port | ternary $port "what follows the last colon" }}
{{- fail (printf "%s: %s is no port. Give one from 1 to 65535, or none, which is 80 for http and 443 for https" (first .) $what) }}
{{- end }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- range $key := include "adconversion.endpoints" . | fromJsonArray }}
{{- $variable := printf "ADCONVERSION_%s" (snakecase $key | upper) }}
{{- range $.Values.extraEnv }}
{{- if eq .name $variable }}
{{- fail (printf "extraEnv: the NetworkPolicy does not know the address in %s, and would not let the operator reach it. Set config.%s" $variable $key) }}
{{- end }}
{{- end }}
{{- range $.Values.extraArgs }}
{{- if regexMatch (printf "^--%s(=|$)" (kebabcase $key)) . }}
{{- fail (printf "extraArgs: the NetworkPolicy does not know the address of --%s, and would not let the operator reach it. Set config.%s" (kebabcase $key) $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Newer API servers refuse 10.0.0.1/8: is that one address, or a network? */}}
{{- define "adconversion.checkNetworks" -}}
{{- range .Values.networkPolicy.egress.apiServerCIDRs }}
{{- if not (contains ":" .) }}
{{- $parts := splitList "/" . }}
{{- $address := 0 }}
{{- range splitList "." (first $parts) }}
{{- $address = add (mul $address 256) (int64 .) }}
{{- end }}
{{- $size := 1 }}
{{- range until (sub 32 (int (last $parts)) | int) }}
{{- $size = mul $size 2 }}
{{- end }}
{{- if mod $address $size }}
{{- fail (printf "networkPolicy.egress.apiServerCIDRs: %s is not the first address of a network of that size. Write %s/32 for this one address, or the first one of the network" . (first $parts)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A flag is given once only, and wins over its variable. */}}
{{- define "adconversion.checkFlags" -}}
{{- $passed := dict }}
{{- range include "adconversion.flags" . | fromJsonArray }}
{{- $_ := set $passed (index . 0) (last .) }}
{{- end }}
{{- $added := list }}
{{- range .Values.extraArgs }}
{{- $flag := regexFind "^--[a-z0-9-]+" . | trimPrefix "--" }}
{{- if hasKey $passed $flag }}
{{- fail (printf "extraArgs: the chart passes --%s already, and a flag is given once only. %s" $flag (get $passed $flag)) }}
{{- end }}
{{- $added = append $added $flag }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if hasPrefix "ADCONVERSION_" .name }}
{{- $flag := trimPrefix "ADCONVERSION_" .name | lower | replace "_" "-" }}
{{- if hasKey $passed $flag }}
{{- fail (printf "extraEnv: %s would have no effect, because the chart passes --%s, which wins. %s" .name $flag (get $passed $flag)) }}
{{- else if has $flag $added }}
{{- fail (printf "extraEnv: %s would have no effect, because extraArgs has --%s, which wins. Leave one of them out" .name $flag) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adconversion.checkExtra" -}}
{{- $bundle := or .Values.caBundle.configMap .Values.caBundle.secret }}
{{- $variables := dict }}
{{- if .Values.ledger.postgresql.urlSecretRef.name }}
{{- $_ := set $variables "ADCONVERSION_LEDGER_URL" "ledger.postgresql.urlSecretRef" }}
{{- end }}
{{- if .Values.proxy.httpsProxy }}
{{- $_ := set $variables "HTTPS_PROXY" "proxy.httpsProxy" }}
{{- end }}
{{- if .Values.proxy.noProxy }}
{{- $_ := set $variables "NO_PROXY" "proxy.noProxy" }}
{{- end }}
{{- if $bundle }}
{{- $_ := set $variables "SSL_CERT_DIR" "caBundle" }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if eq (get $variables .name) "extraEnv" }}
{{- fail (printf "extraEnv sets %s twice: leave one of them out" .name) }}
{{- else if hasKey $variables .name }}
{{- fail (printf "extraEnv and %s both set %s: use one of them" (get $variables .name) .name) }}
{{- end }}
{{- $_ := set $variables .name "extraEnv" }}
{{- end }}
{{- $containers := list "operator" }}
{{- range $value := list "extraInitContainers" "extraContainers" }}
{{- range default list (get $.Values $value) }}
{{- if has .name $containers }}
{{- fail (printf "%s: the pod has a container named %s already: give this one another name" $value .name) }}
{{- end }}
{{- $containers = append $containers .name }}
{{- end }}
{{- end }}
{{- $volumes := dict "tmp" "/tmp" }}
{{- if not .Values.ledger.postgresql.urlSecretRef.name }}
{{- $_ := set $volumes "ledger" "/var/lib/adconversion" }}
{{- end }}
{{- if $bundle }}
{{- $_ := set $volumes "ca-bundle" "/etc/adconversion/ca" }}
{{- end }}
{{- $names := keys $volumes }}
{{- $paths := values $volumes }}
{{- range .Values.extraVolumes }}
{{- if has .name $names }}
{{- fail (printf "extraVolumes: the pod has a volume named %s already: give this one another name" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- $path := trimSuffix "/" (toString .mountPath) }}
{{- if has $path $paths }}
{{- fail (printf "extraVolumeMounts: something else is mounted at %s: mount %s elsewhere" $path .name) }}
{{- end }}
{{- $paths = append $paths $path }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- if not (has .name $names) }}
{{- fail (printf "extraVolumeMounts: the pod has no volume named %s: add it to extraVolumes, or name one of %s" .name ($names | sortAlpha | join ", ")) }}
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
{{- if or (le (index $times 0) (index $times 1)) (le (index $times 1) (index $times 2)) }}
{{- fail (printf "config.leaseDuration (%s) must be longer than config.leaseRenew (%s), and that longer than config.leaseRetry (%s)" $duration $renew $retry) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adconversion.checkSandbox" -}}
{{- $namespace := include "adconversion.namespace" . }}
{{- $name := include "adconversion.fullname" . }}
{{- /* Another release may have that name. */}}
{{- $simulation := dict }}
{{- with lookup "apps/v1" "Deployment" $namespace (printf "%s-sandbox" $name) }}
{{- if eq (dig "metadata" "labels" "app.kubernetes.io/instance" "" .) $.Release.Name }}
{{- $simulation = . }}
{{- end }}
{{- end }}
{{- if and $simulation (not .Values.sandbox.enabled) }}
{{- fail (printf "sandbox.enabled: the release %s works with the simulation, and real accounts would be counted in its ledger. Uninstall it, delete its claim, and install the operator again" .Release.Name) }}
{{- end }}
{{- if .Values.sandbox.enabled }}
{{- if .Values.persistence.existingClaim }}
{{- fail "sandbox.enabled and persistence.existingClaim exclude each other: what the simulation counts must not stand in a ledger that is kept" }}
{{- end }}
{{- if .Values.ledger.postgresql.urlSecretRef.name }}
{{- fail "sandbox.enabled and ledger.postgresql exclude each other: what the simulation counts must not stand in a ledger that is kept" }}
{{- end }}
{{- if not (include "adconversion.watchNamespaces" . | fromJsonArray) }}
{{- fail "sandbox.enabled needs sandbox.namespace or watchNamespaces: events and accounts of other namespaces must not be sent to the simulation" }}
{{- end }}
{{- $claim := lookup "v1" "PersistentVolumeClaim" $namespace (printf "%s-ledger" $name) | default dict }}
{{- if and (eq (dig "metadata" "annotations" "helm.sh/resource-policy" "" $claim) "keep") (not $simulation) (not (lookup "apps/v1" "Deployment" $namespace $name)) }}
{{- fail (printf "sandbox.enabled: the claim %s-ledger holds the ledger of real accounts, which was kept when their release was uninstalled, and the simulation would fill it and delete it in the end. Install the simulation under another name or in another namespace" $name) }}
{{- end }}
{{- if and (lookup "apps/v1" "Deployment" $namespace $name) (not $simulation) }}
{{- fail (printf "sandbox.enabled: the release %s works with real accounts, and the simulation would answer for them and fill their ledger. Install the simulation as a release of its own, in another cluster or uninstall this one first" .Release.Name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a release that gets other names would leave behind. */}}
{{- define "adconversion.checkNames" -}}
{{- if .Release.IsUpgrade }}
{{- $namespace := include "adconversion.namespace" . }}
{{- $name := include "adconversion.fullname" . }}
{{- $claim := include "adconversion.claim" . }}
{{- if and $claim (not .Values.persistence.existingClaim) (not .Values.sandbox.enabled) (not (lookup "v1" "PersistentVolumeClaim" $namespace $claim)) }}
{{- range $place := uniq (list $namespace .Release.Namespace) }}
{{- range (lookup "v1" "PersistentVolumeClaim" $place "").items }}
{{- $labels := .metadata.labels | default dict }}
{{- if and (eq (dig "app.kubernetes.io/instance" "" $labels) $.Release.Name) (eq (dig "app.kubernetes.io/part-of" "" $labels) "adconversion") }}
{{- $do := printf "set persistence.existingClaim to %s" .metadata.name }}
{{- if ne $place $namespace }}
{{- $do = "move the ledger before, as the chart's README says" }}
{{- end }}
{{- fail (printf "the ledger of this release is in the claim %s in the namespace %s, and with the name %s in %s the release would begin an empty one: %s, or leave names and namespace as they were" .metadata.name $place $claim $namespace $do) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $found := lookup "apps/v1" "Deployment" $namespace $name | default dict }}
{{- $selected := dig "spec" "selector" "matchLabels" "app.kubernetes.io/name" "" $found }}
{{- if and $selected (ne $selected (include "adconversion.name" .)) (eq (dig "metadata" "labels" "app.kubernetes.io/instance" "" $found) .Release.Name) }}
{{- fail (printf "nameOverride: the Deployment %s finds its pods by the name %s, which cannot be changed. Leave it as it was, or delete the Deployment before the upgrade, which makes it again: kubectl delete deployment %s --namespace %s" $name $selected $name $namespace) }}
{{- end }}
{{- end }}
{{- end }}
