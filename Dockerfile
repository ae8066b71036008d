# pli in a container: built in one stage, run in another by a user without rights.
#
#   docker build -t pli .
#   docker compose up        (docker-compose.yml shows the files that it needs)

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libssl-dev make pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package server --bin pli && cp target/release/pli /usr/local/bin/pli

FROM debian:bookworm-slim
# libssl3 is for certificate chores (`pli cert`) and carries the module that reads old PKCS#12 files; curl asks
# /readyz; libpq and PostgreSQL are not needed, the database is another container.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/pli --create-home --shell /usr/sbin/nologin pli
COPY --from=build /usr/local/bin/pli /usr/local/bin/pli
COPY config/pli.toml /etc/pli/pli.toml
USER pli
VOLUME /var/lib/pli
# Ports above 1024, so that no capability is needed; docker-compose.yml maps the official ones onto them.
ENV PLI__HOP__LISTEN=0.0.0.0:2525 \
    PLI__SUBMISSION__LISTEN_STARTTLS=0.0.0.0:2587 \
    PLI__SUBMISSION__LISTEN_TLS=0.0.0.0:2465 \
    PLI__IMAP__LISTEN_STARTTLS=0.0.0.0:2143 \
    PLI__IMAP__LISTEN_TLS=0.0.0.0:2993 \
    PLI__LOG__FORMAT=json
EXPOSE 2525 2587 2465 2143 2993
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["curl", "-fsS", "http://127.0.0.1:9080/readyz"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["pli", "--config", "/etc/pli/pli.toml"]
CMD ["serve"]
