# syntax=docker/dockerfile:1

# Builds the binary. The two cache mounts keep the registry and the compiled dependencies between builds, so that a
# change of ours compiles only ours; they are in no layer, hence the copy at the end.
FROM rust:1.95.0-slim-trixie AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin smokescreen \
    && cp target/release/smokescreen /smokescreen

# Runs it. The binary links glibc and asks its resolver, which loads modules at run time: Debian has them. Origins of https
# URIs are verified by the CAs of ca-certificates, as new as the build; no shell is started, no file is written.
FROM debian:trixie-slim
LABEL org.opencontainers.image.title="smokescreen" \
      org.opencontainers.image.description="An SSRF-safe egress proxy" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /smokescreen /usr/local/bin/smokescreen
COPY --chmod=644 acl.yaml /etc/smokescreen/acl.yaml
COPY --from=build --chmod=644 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Numbers, because they need no entry in /etc/passwd and `runAsNonRoot` of Kubernetes can check them.
USER 65532:65532
EXPOSE 4750
# /readyz of the admin port where there is one, else whether the proxy's port takes connections.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["smokescreen", "health"]
# The program drains on SIGTERM; whoever stops it must wait longer than --exit-timeout (docker stop -t 300,
# kill_timeout of fly.toml, which cannot be above 300 s). Needs PROXY_PASSWORD.
STOPSIGNAL SIGTERM
CMD ["smokescreen", "--egress-acl-file", "/etc/smokescreen/acl.yaml", "--exit-timeout", "290s"]
