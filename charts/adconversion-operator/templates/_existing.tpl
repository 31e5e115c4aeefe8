{{/* What is in the cluster already, and must not be lost or mixed. Where Helm asks no cluster (`helm template`, Argo CD) nothing is found. */}}

{{/* What this release has of a kind and component: (list $ "v1" "PersistentVolumeClaim" "operator"). A chart on top may have
this one several times: then only what the one of this name has. */}}
{{- define "adconversion.mine" -}}
{{- $root := index . 0 }}
{{- $component := index . 3 }}
{{- $name := include "adconversion.name" $root }}
{{- if ne $component "operator" }}
{{- $name = include "adconversion.componentName" (list $root $component) }}
{{- end }}
{{- $found := list }}
{{- range $place := uniq (list (include "adconversion.namespace" $root) $root.Release.Namespace) }}
{{- range (lookup (index $ 1) (index $ 2) $place "").items }}
{{- $labels := .metadata.labels | default dict }}
{{- $ours := and (eq (dig "app.kubernetes.io/part-of" "" $labels) "adconversion") (eq (dig "app.kubernetes.io/component" "" $labels) $component) }}
{{- $named := or $root.Chart.IsRoot (eq (dig "app.kubernetes.io/name" "" $labels) $name) }}
{{- if and $ours $named (include "adconversion.ofRelease" (list $root .)) }}
{{- $found = append $found . }}
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

{{- define "adconversion.checkSandbox" -}}
{{- $namespace := include "adconversion.namespace" . }}
{{- $name := include "adconversion.fullname" . }}
{{- /* By labels, as names may become others. */}}
{{- $simulation := include "adconversion.mine" (list . "apps/v1" "Deployment" "sandbox") | fromJsonArray }}
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
{{- $operators := include "adconversion.mine" (list . "apps/v1" "Deployment" "operator") | fromJsonArray }}
{{- if and (or $operators (lookup "apps/v1" "Deployment" $namespace $name)) (not $simulation) }}
{{- fail (printf "sandbox.enabled: the release %s works with real accounts, and the simulation would answer for them and fill their ledger. Install the simulation as a release of its own, in another cluster or uninstall this one first" .Release.Name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The claims that hold the ledger: the one in use, which may be somebody else's, and those that this release has made. */}}
{{- define "adconversion.ledgers" -}}
{{- $claims := list }}
{{- range include "adconversion.mine" (list . "apps/v1" "Deployment" "operator") | fromJsonArray }}
{{- $place := .metadata.namespace }}
{{- range .spec.template.spec.volumes }}
{{- if and (eq .name "ledger") .persistentVolumeClaim }}
{{- with lookup "v1" "PersistentVolumeClaim" $place .persistentVolumeClaim.claimName }}
{{- $claims = append $claims . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- concat $claims (include "adconversion.mine" (list . "v1" "PersistentVolumeClaim" "operator") | fromJsonArray) | toJson }}
{{- end }}

{{/* What a release that gets other names would leave behind. */}}
{{- define "adconversion.checkNames" -}}
{{- if .Release.IsUpgrade }}
{{- $namespace := include "adconversion.namespace" . }}
{{- $name := include "adconversion.fullname" . }}
{{- $claim := include "adconversion.claim" . }}
{{- if and $claim (not .Values.persistence.existingClaim) (not .Values.sandbox.enabled) (not (lookup "v1" "PersistentVolumeClaim" $namespace $claim)) }}
{{- range include "adconversion.ledgers" . | fromJsonArray }}
{{- $do := printf "set persistence.existingClaim to %s" .metadata.name }}
{{- if ne .metadata.namespace $namespace }}
{{- $do = "move the ledger before, as the chart's README says" }}
{{- end }}
{{- if and (include "adconversion.ofRelease" (list $ .)) (not (include "adconversion.kept" .)) }}
{{- $do = printf "turn persistence.keep on in an upgrade of its own before, as Helm would delete the claim; then %s" $do }}
{{- end }}
{{- fail (printf "the ledger of this release is in the claim %s in the namespace %s, and with the name %s in %s the release would begin an empty one: %s, or leave names and namespace as they were" .metadata.name .metadata.namespace $claim $namespace $do) }}
{{- end }}
{{- end }}
{{- with .Values.persistence.existingClaim }}
{{- $found := lookup "v1" "PersistentVolumeClaim" $namespace . }}
{{- if and $found (include "adconversion.ofRelease" (list $ $found)) (not (include "adconversion.kept" $found)) }}
{{- fail (printf "persistence.existingClaim: the claim %s is this release's own and has no annotation helm.sh/resource-policy: keep, so that Helm would delete it, and the ledger with it. Turn persistence.keep on in an upgrade of its own before, without persistence.existingClaim" .) }}
{{- end }}
{{- end }}
{{- $found := lookup "apps/v1" "Deployment" $namespace $name | default dict }}
{{- $selected := dig "spec" "selector" "matchLabels" "app.kubernetes.io/name" "" $found }}
{{- if and $selected (ne $selected (include "adconversion.name" .)) (eq (dig "metadata" "labels" "app.kubernetes.io/instance" "" $found) .Release.Name) }}
{{- fail (printf "nameOverride: the Deployment %s finds its pods by the name %s, which cannot be changed. Leave it as it was, or delete the Deployment before the upgrade, which makes it again: kubectl delete deployment %s --namespace %s" $name $selected $name $namespace) }}
{{- end }}
{{- end }}
{{- end }}
