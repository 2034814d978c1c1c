#!/usr/bin/env bash
# Builds local/prometheus from the machine's own program (.ci/tools.sh), for a machine that can pull no image.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$(command -v prometheus)" "$work"
printf '%s\n' 'FROM local/cc:12' 'COPY prometheus /bin/' 'USER 65534' 'ENTRYPOINT ["/bin/prometheus", "--storage.tsdb.path=/tmp/data"]' >"$work/Dockerfile"
docker build -q -t local/prometheus "$work"
