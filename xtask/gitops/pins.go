//go:build pins

// Package gitops pins the types of Flux from which controller-gen makes the definitions that tests apply.
package gitops

import (
	_ "github.com/fluxcd/helm-controller/api/v2"
	_ "github.com/fluxcd/kustomize-controller/api/v1"
	_ "github.com/fluxcd/source-controller/api/v1"
)
