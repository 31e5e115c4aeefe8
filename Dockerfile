# The image: the operator, the sandbox (for the chart's sandbox.enabled) and the certificates of the public authorities. No shell.
#   docker build --tag REGISTRY/adconversion-operator:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag … --push .
# It compiles on the builder's own architecture for the one that is asked for. `cargo xtask test --only image` builds and runs
# the last stage.

# What the programs need to run: glibc, libgcc, certificates, time zones, a user. Nothing else is in it.
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM --platform=$BUILDPLATFORM rust:1.95-bookworm AS build
# Set by the builder. A default here would win over it, and programs for amd64 would be in every image.
ARG TARGETARCH
WORKDIR /source
# Names of the target and its linker; the list of dependencies goes into the programs, where scanners find it.
RUN set -eux; \
    case "$TARGETARCH" in \
        amd64) target=x86_64-unknown-linux-gnu; package=gcc-x86-64-linux-gnu ;; \
        arm64) target=aarch64-unknown-linux-gnu; package=gcc-aarch64-linux-gnu ;; \
        "") echo "the builder sets no TARGETARCH: build with BuildKit (docker buildx build)" >&2; exit 1 ;; \
        *) echo "no build for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    if [ "$target" != "$(rustc --print host-tuple)" ]; then \
        apt-get update; \
        apt-get install --yes --no-install-recommends "$package" "libc6-dev-$TARGETARCH-cross"; \
        rm -rf /var/lib/apt/lists/*; \
        linker="${package#gcc-}"; linker="$(echo "$linker" | sed s/x86-64/x86_64/)-gcc"; \
        name="$(echo "$target" | tr a-z- A-Z_)"; \
        printf 'export CARGO_TARGET_%s_LINKER=%s CC_%s=%s\n' "$name" "$linker" "$(echo "$target" | tr - _)" "$linker" > /linker; \
    fi; \
    touch /linker; \
    rustup target add "$target"; \
    echo "$target" > /target; \
    cargo install --locked --version 0.7.7 cargo-auditable
# The dependencies, in a layer of their own: it is built again only if a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY xtask/Cargo.toml xtask/
COPY examples/sandbox/Cargo.toml examples/sandbox/
RUN set -eux; \
    mkdir -p src xtask/src examples/sandbox/src tests/it benches/throughput benches/live; \
    for file in src/main xtask/src/main examples/sandbox/src/main tests/it/main benches/throughput/main benches/live/main; do \
        echo 'fn main() {}' > "$file.rs"; \
    done; \
    touch src/lib.rs xtask/src/lib.rs examples/sandbox/src/lib.rs; \
    . /linker; \
    cargo auditable build --release --locked --target "$(cat /target)" --bins --package adconversion-operator --package adconversion-sandbox
COPY migrations migrations
COPY src src
COPY examples/sandbox/src examples/sandbox/src
# The stubs are younger than the sources: without this, cargo would take what it built of them.
RUN set -eux; \
    touch src/main.rs src/lib.rs examples/sandbox/src/main.rs examples/sandbox/src/lib.rs; \
    . /linker; \
    cargo auditable build --release --locked --target "$(cat /target)" --bins --package adconversion-operator --package adconversion-sandbox; \
    mkdir /out; \
    cp "target/$(cat /target)/release/adconversion" "target/$(cat /target)/release/adconversion-sandbox" /out/

# The programs alone, for archives: docker buildx build --target programs --output type=local,dest=DIRECTORY .
FROM scratch AS programs
COPY --from=build /out/ /

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="adconversion-operator" \
      org.opencontainers.image.description="Turns HubSpot lifecycle stages and form submissions into Google Ads conversions, declared as Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /out/ /usr/local/bin/
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Metrics and health.
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/adconversion"]
