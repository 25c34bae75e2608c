# One image with the five services and the `chairsync` CLI. Build: docker build -t chairsync .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --workspace --bins \
    && mkdir /out \
    && cp target/dist/chairsync target/dist/gateway target/dist/sync-state target/dist/analytics-sync \
        target/dist/engagement-sync target/dist/pms-connector /out/

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /usr/local/bin/
ENTRYPOINT []
CMD ["chairsync", "--help"]
