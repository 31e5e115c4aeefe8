{{/* Values that contradict each other, refused with what to do. What one value alone may be is in values.schema.json. */}}
{{- define "adconversion.checks" -}}
{{- include "adconversion.checkReplicas" . }}
{{- include "adconversion.checkStrategy" . }}
{{- include "adconversion.checkLease" . }}
{{- include "adconversion.checkSandbox" . }}
{{- include "adconversion.checkLoss" . }}
{{- include "adconversion.checkLedger" . }}
{{- include "adconversion.checkSelector" . }}
{{- include "adconversion.checkFlags" . }}
{{- include "adconversion.checkExtra" . }}
{{- include "adconversion.checkPorts" . }}
{{- include "adconversion.checkAddresses" . }}
{{- include "adconversion.checkNetworks" . }}
{{- include "adconversion.checkResources" (list "resources" .Values.resources) }}
{{- if .Values.sandbox.enabled }}
{{- include "adconversion.checkResources" (list "sandbox.resources" .Values.sandbox.resources) }}
{{- end }}
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
{{- if contains "$(" (toString .Values.proxy.httpsProxy) }}
{{- fail "proxy.httpsProxy: Kubernetes does not put variables of extraEnv in there. Set HTTPS_PROXY in extraEnv, behind the variables that it names" }}
{{- end }}
{{- range .Values.networkPolicy.egress.extra }}
{{- range .ports }}
{{- if and .endPort (lt (int .endPort) (int .port)) }}
{{- fail (printf "networkPolicy.egress.extra: endPort %d is below port %d. Give the ports from the lowest to the highest" (int .endPort) (int .port)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $hosts := list }}
{{- range .Values.hostAliases }}
{{- if has .ip $hosts }}
{{- fail (printf "hostAliases has %s twice: give all its names in one entry" .ip) }}
{{- end }}
{{- $hosts = append $hosts .ip }}
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
{{- if contains "$(" (get (default dict $.Values.config) $key | toString) }}
{{- fail (printf "config.%s: the NetworkPolicy does not know the address in a variable, and might not let the operator reach it. Write the address out" $key) }}
{{- end }}
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

{{/* Newer API servers refuse 10.0.0.1/8: is that one address, or a network? And an exception must be a smaller part. */}}
{{- define "adconversion.checkNetworks" -}}
{{- $blocks := list }}
{{- range .Values.networkPolicy.egress.apiServerCIDRs }}
{{- $blocks = append $blocks (list "networkPolicy.egress.apiServerCIDRs" (dict "cidr" .)) }}
{{- end }}
{{- range .Values.networkPolicy.ingress.from }}
{{- $blocks = append $blocks (list "networkPolicy.ingress.from" .ipBlock) }}
{{- end }}
{{- range .Values.networkPolicy.egress.extra }}
{{- range .to }}
{{- $blocks = append $blocks (list "networkPolicy.egress.extra" .ipBlock) }}
{{- end }}
{{- end }}
{{- range $blocks }}
{{- $where := first . }}
{{- $block := last . | default dict }}
{{- $except := $block.except | default list }}
{{- range compact (prepend $except $block.cidr) }}
{{- $network := include "adconversion.network" . | fromJson }}
{{- if ne (join "," $network.groups) (join "," (include "adconversion.firstOf" (list $network $network.length) | fromJsonArray)) }}
{{- $address := splitList "/" . | first }}
{{- fail (printf "%s: %s is not the first address of a network of that size. Write %s/%d for this one address, or the first one of the network" $where . $address (int $network.bits)) }}
{{- end }}
{{- end }}
{{- range $except }}
{{- $whole := include "adconversion.network" $block.cidr | fromJson }}
{{- $part := include "adconversion.network" . | fromJson }}
{{- if and $whole.groups $part.groups }}
{{- $around := include "adconversion.firstOf" (list $part $whole.length) | fromJsonArray }}
{{- if or (ne (join "," $whole.groups) (join "," $around)) (le (int $part.length) (int $whole.length)) }}
{{- fail (printf "%s: except %s is not a smaller network within %s. Name one that is, or leave it out" $where . $block.cidr) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A network in numbers: its groups, how many bits they have together, and its length. No groups where IPv4 stands within IPv6. */}}
{{- define "adconversion.network" -}}
{{- $parts := splitList "/" . }}
{{- $groups := list }}
{{- if not (contains ":" .) }}
{{- range splitList "." (first $parts) }}
{{- $groups = append $groups (int .) }}
{{- end }}
{{- else if not (contains "." .) }}
{{- $halves := splitList "::" (first $parts) }}
{{- $front := splitList ":" (first $halves) | compact }}
{{- $back := rest $halves | join "" | splitList ":" | compact }}
{{- $zeros := list }}
{{- range until (sub 8 (add (len $front) (len $back)) | int) }}
{{- $zeros = append $zeros "0" }}
{{- end }}
{{- range concat $front $zeros $back }}
{{- $groups = append $groups (int (printf "0x%s" .)) }}
{{- end }}
{{- end }}
{{- dict "groups" $groups "bits" (contains ":" . | ternary 128 32) "length" (last $parts | int) | toJson }}
{{- end }}

{{/* The groups of the first address of the network with this length in which a network is: (list $network 8). */}}
{{- define "adconversion.firstOf" -}}
{{- $network := first . }}
{{- $first := list }}
{{- $count := len $network.groups }}
{{- if $count }}
{{- $width := div (int $network.bits) $count }}
{{- $left := int (last .) }}
{{- range $network.groups }}
{{- $size := 1 }}
{{- range until (sub $width (min $width (max 0 $left)) | int) }}
{{- $size = mul $size 2 }}
{{- end }}
{{- $first = append $first (mul $size (div (int .) $size)) }}
{{- $left = sub $left $width }}
{{- end }}
{{- end }}
{{- toJson $first }}
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
{{- if and $flag (has $flag $added) }}
{{- fail (printf "extraArgs has --%s twice, and a flag is given once only: leave one of them out" $flag) }}
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

{{/* A quantity of Kubernetes, such as 100m or 1.5Gi, as a number. */}}
{{- define "adconversion.quantity" -}}
{{- $scales := dict "" 1 "n" 1e-9 "u" 1e-6 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
  "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- $text := toString . }}
{{- $suffix := regexFind "([KMGTPE]i|[numkMGTPE])$" $text }}
{{- mulf (trimSuffix $suffix $text | float64) (get $scales $suffix | float64) }}
{{- end }}

{{- define "adconversion.checkResources" -}}
{{- $where := first . }}
{{- $limits := (last .).limits | default dict }}
{{- range $name, $request := (last .).requests }}
{{- $limit := get $limits $name }}
{{- if and (hasKey $limits $name) (gt (include "adconversion.quantity" $request | float64) (include "adconversion.quantity" $limit | float64)) }}
{{- fail (printf "%s: the request of %s (%v) is above its limit (%v), and Kubernetes refuses the pod. Raise limits.%s, or lower requests.%s" $where $name $request $limit $name $name) }}
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
