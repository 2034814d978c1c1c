#!/usr/bin/env bash
# Installs the versions that `make up` may use: compose 2 as docker's plugin (Debian 12 has none, so Debian 13's, a static binary), and docker-compose 1.29.
set -euo pipefail
docker-compose version >/dev/null 2>&1 || {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-compose
} >/dev/null 2>&1
docker compose version >/dev/null 2>&1 || {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  plugin=usr/libexec/docker/cli-plugins/docker-compose
  curl -fsS --retry 3 -o "$work/compose.deb" http://deb.debian.org/debian/pool/main/d/docker-compose/docker-compose_2.26.1-4_amd64.deb
  echo "47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea  $work/compose.deb" | sha256sum --check --quiet
  dpkg-deb --fsys-tarfile "$work/compose.deb" | tar -x -C "$work" "./$plugin"
  install -D "$work/$plugin" "/$plugin"
}
docker compose version
docker-compose version --short
