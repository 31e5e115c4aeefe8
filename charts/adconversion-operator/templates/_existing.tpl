{{/* What is in the cluster already, and must not be lost or mixed. Where Helm asks no cluster (`helm template`, Argo CD) nothing is found. */}}

{{/* What the operator of the release that is upgraded has of a kind: (list $ "v1" "PersistentVolumeClaim"). A chart on top
may have this one several times: then only what the one of this name has. A first installation has nothing, and needs no right to list. */}}
{{- define "adconversion.mine" -}}
{{- $root := index . 0 }}
{{- $name := include "adconversion.name" $root }}
{{- $found := list }}
{{- if $root.Release.IsUpgrade }}
{{- range $place := uniq (list (include "adconversion.namespace" $root) $root.Release.Namespace) }}
{{- range (lookup (index $ 1) (index $ 2) $place "").items }}
{{- $labels := .metadata.labels | default dict }}
{{- $ours := and (eq (dig "app.kubernetes.io/part-of" "" $labels) "adconversion") (eq (dig "app.kubernetes.io/component" "" $labels) "operator") }}
{{- $named := or $root.Chart.IsRoot (eq (dig "app.kubernetes.io/name" "" $labels) $name) }}
{{- if and $ours $named (include "adconversion.ofRelease" (list $root .)) }}
{{- $found = append $found . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $found }}
{{- end }}

{{/* Whether Helm holds an object for this release. */}}
{{- define "adconversion.ofRelease" -}}
{{- $release := (first .).Release }}
{{- $annotations := dig "metadata" "annotations" dict (last .) }}
{{- if and (eq (dig "meta.helm.sh/release-name" "" $annotations) $release.Name) (eq (dig "meta.helm.sh/release-namespace" "" $annotations) $release.Namespace) }}
{{- "true" }}
{{- end }}
{{- end }}

{{/* Whether Helm leaves an object that the release no longer has. */}}
{{- define "adconversion.kept" -}}
{{- if eq (dig "metadata" "annotations" "helm.sh/resource-policy" "" .) "keep" }}
{{- "true" }}
{{- end }}
{{- end }}

{{/* Whether a claim or an operator is that of a simulation. */}}
{{- define "adconversion.simulated" -}}
{{- if eq (dig "metadata" "annotations" "adconversion.dev/simulated" "" .) "true" }}
{{- "true" }}
{{- end }}
{{- end }}

{{- define "adconversion.checkSandbox" -}}
{{- $namespace := include "adconversion.namespace" . }}
{{- $name := include "adconversion.fullname" . }}
{{- $claim := include "adconversion.claim" . }}
{{- $there := dict }}
{{- if $claim }}
{{- $there = lookup "v1" "PersistentVolumeClaim" $namespace $claim | default dict }}
{{- end }}
{{- $simulated := list }}
{{- $real := list }}
{{- $operators := include "adconversion.mine" (list . "apps/v1" "Deployment") | fromJsonArray }}
{{- range compact (append $operators (lookup "apps/v1" "Deployment" $namespace $name)) }}
{{- if include "adconversion.simulated" . }}
{{- $simulated = append $simulated . }}
{{- else }}
{{- $real = append $real . }}
{{- end }}
{{- end }}
{{- if not .Values.sandbox.enabled }}
{{- if $simulated }}
{{- fail (printf "sandbox.enabled: the release %s works with the simulation, and real accounts would be counted in its ledger. Uninstall it, delete its claim, and install the operator again" .Release.Name) }}
{{- end }}
{{- if include "adconversion.simulated" $there }}
{{- fail (printf "the claim %s in the namespace %s holds what a simulation has counted, and real accounts must not be counted with it: delete it, or give this release another claim" $claim $namespace) }}
{{- end }}
{{- else }}
{{- if .Values.persistence.existingClaim }}
{{- fail "sandbox.enabled and persistence.existingClaim exclude each other: what the simulation counts must not stand in a ledger that is kept" }}
{{- end }}
{{- if .Values.ledger.postgresql.urlSecretRef.name }}
{{- fail "sandbox.enabled and ledger.postgresql exclude each other: what the simulation counts must not stand in a ledger that is kept" }}
{{- end }}
{{- if not (include "adconversion.watchNamespaces" . | fromJsonArray) }}
{{- fail "sandbox.enabled needs sandbox.namespace or watchNamespaces: events and accounts of other namespaces must not be sent to the simulation" }}
{{- end }}
{{- if $real }}
{{- fail (printf "sandbox.enabled: the release %s works with real accounts, and the simulation would answer for them and fill their ledger. Install the simulation as a release of its own, in another cluster or uninstall this one first" .Release.Name) }}
{{- end }}
{{- if and $there (not (include "adconversion.simulated" $there)) }}
{{- fail (printf "sandbox.enabled: the claim %s in the namespace %s was not made for a simulation, which would fill it and delete it in the end: it may hold the ledger of real accounts. Install the simulation under another name or in another namespace" $claim $namespace) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where the operator has its ledger now: of each Deployment its name and namespace, and a claim or the Secret of a database. The
Deployment of this very name goes before others. */}}
{{- define "adconversion.inUse" -}}
{{- $operators := include "adconversion.mine" (list . "apps/v1" "Deployment") | fromJsonArray }}
{{- range $operators }}
{{- if and (eq .metadata.name (include "adconversion.fullname" $)) (eq .metadata.namespace (include "adconversion.namespace" $)) }}
{{- $operators = list . }}
{{- end }}
{{- end }}
{{- $ledgers := list }}
{{- range $operators }}
{{- $ledger := dict "deployment" .metadata.name "namespace" .metadata.namespace }}
{{- range .spec.template.spec.volumes }}
{{- if and (eq .name "ledger") .persistentVolumeClaim }}
{{- $_ := set $ledger "claim" .persistentVolumeClaim.claimName }}
{{- end }}
{{- end }}
{{- range (first .spec.template.spec.containers).env }}
{{- if eq .name "ADCONVERSION_LEDGER_URL" }}
{{- $_ := set $ledger "secret" (dig "valueFrom" "secretKeyRef" "name" "" .) }}
{{- end }}
{{- end }}
{{- $ledgers = append $ledgers $ledger }}
{{- end }}
{{- toJson $ledgers }}
{{- end }}

{{/* Helm deletes what a release no longer has: no claim that holds a ledger may go that way. */}}
{{- define "adconversion.checkLoss" -}}
{{- $claim := "" }}
{{- if not .Values.persistence.existingClaim }}
{{- $claim = include "adconversion.claim" . }}
{{- end }}
{{- range include "adconversion.mine" (list . "v1" "PersistentVolumeClaim") | fromJsonArray }}
{{- $stays := and (eq .metadata.name $claim) (eq .metadata.namespace (include "adconversion.namespace" $)) }}
{{- if not (or $stays (include "adconversion.kept" .) (include "adconversion.simulated" .)) }}
{{- fail (printf "with these values the release would no longer have the claim %s, and Helm would delete it, and the ledger in it. Keep it before the upgrade: kubectl annotate persistentvolumeclaim %s --namespace %s helm.sh/resource-policy=keep" .metadata.name .metadata.name .metadata.namespace) }}
{{- end }}
{{- end }}
{{- end }}

{{/* An upgrade goes on with the ledger that is in use, unless another one is named. */}}
{{- define "adconversion.checkLedger" -}}
{{- if not (or .Values.persistence.existingClaim .Values.ledger.postgresql.urlSecretRef.name .Values.sandbox.enabled) }}
{{- $namespace := include "adconversion.namespace" . }}
{{- $claim := include "adconversion.claim" . }}
{{- $instead := "and this upgrade would keep it in the pod instead (persistence.enabled is false), where it is lost" }}
{{- if $claim }}
{{- $instead = printf "and this upgrade would use the claim %s in the namespace %s instead" $claim $namespace }}
{{- end }}
{{- range include "adconversion.inUseOrLeft" . | fromJsonArray }}
{{- $else := ". If it is to be another ledger, name its claim in persistence.existingClaim, also if you make a new one" }}
{{- if and .deployment (not $.Chart.IsRoot) (ne .deployment (include "adconversion.fullname" $)) }}
{{- $else = printf ". If %s is another operator of this release, give this one a nameOverride of its own" .deployment }}
{{- end }}
{{- if .secret }}
{{- fail (printf "the ledger of this release is in the database of the Secret %s, %s: set ledger.postgresql.urlSecretRef%s" .secret $instead $else) }}
{{- end }}
{{- if and .claim (or (ne .claim $claim) (ne .namespace $namespace)) (lookup "v1" "PersistentVolumeClaim" .namespace .claim) }}
{{- $do := printf "set persistence.existingClaim to %s, or leave names and namespace as they were" .claim }}
{{- if not $claim }}
{{- $do = "leave persistence.enabled on" }}
{{- else if ne .namespace $namespace }}
{{- $do = "move the ledger before, as the chart's README says, or leave names and namespace as they were" }}
{{- end }}
{{- fail (printf "the ledger of this release is in the claim %s in the namespace %s, %s: %s%s" .claim .namespace $instead $do $else) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* As inUse; where nobody works, the claims that the release has and these values do not name, if the one that they name is new. */}}
{{- define "adconversion.inUseOrLeft" -}}
{{- $ledgers := include "adconversion.inUse" . | fromJsonArray }}
{{- $claim := include "adconversion.claim" . }}
{{- if not (or $ledgers (and $claim (lookup "v1" "PersistentVolumeClaim" (include "adconversion.namespace" .) $claim))) }}
{{- range include "adconversion.mine" (list . "v1" "PersistentVolumeClaim") | fromJsonArray }}
{{- if not (include "adconversion.simulated" .) }}
{{- $ledgers = append $ledgers (dict "claim" .metadata.name "namespace" .metadata.namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $ledgers }}
{{- end }}

{{/* By which labels a Deployment finds its pods cannot be changed. */}}
{{- define "adconversion.checkSelector" -}}
{{- if .Release.IsUpgrade }}
{{- $namespace := include "adconversion.namespace" . }}
{{- $name := include "adconversion.fullname" . }}
{{- $found := lookup "apps/v1" "Deployment" $namespace $name | default dict }}
{{- $selected := dig "spec" "selector" "matchLabels" "app.kubernetes.io/name" "" $found }}
{{- if and $selected (ne $selected (include "adconversion.name" .)) (eq (dig "metadata" "labels" "app.kubernetes.io/instance" "" $found) .Release.Name) }}
{{- $both := $name }}
{{- if .Values.sandbox.enabled }}
{{- $both = printf "%s %s-sandbox" $name $name }}
{{- end }}
{{- fail (printf "nameOverride: the Deployment %s finds its pods by the name %s, which cannot be changed. Leave it as it was, or delete the Deployment before the upgrade, which makes it again: kubectl delete deployment %s --namespace %s" $name $selected $both $namespace) }}
{{- end }}
{{- end }}
{{- end }}
