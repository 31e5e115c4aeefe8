FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY migrations migrations
COPY tests tests
COPY xtask xtask
COPY examples examples
RUN cargo build --release --locked --bin adconversion

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/release/adconversion /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/adconversion"]
