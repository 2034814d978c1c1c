#!/usr/bin/env bash
# Installs what `make deploy-test` needs: Prometheus with promtool from Debian, helm 3 and 4 by Go's
# module proxy (into ~/.cache/voucherbus/bin), and Python's kubernetes-validate.
set -euo pipefail
bin=${TOOLS_BIN:-$HOME/.cache/voucherbus/bin}
mkdir -p "$bin"
command -v prometheus >/dev/null || {
  # The binaries alone: the package would start a service.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  apt-get update -qq >/dev/null
  (cd "$work" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb out)
  install "$work"/out/usr/bin/{prometheus,promtool} /usr/local/bin/
}
prometheus --version | head -1
# kubernetes-validate ships the schemas of Kubernetes.
python3 -c 'import kubernetes_validate' 2>/dev/null || python3 -m pip install -q --root-user-action=ignore \
  $(python3 -m pip help install | grep -q break-system-packages && echo --break-system-packages) kubernetes-validate==1.37.0 PyYAML
for version in v3.22.0 v4.3.1; do
  major=${version%%.*}
  [ -x "$bin/helm-$major" ] || {
    command -v go >/dev/null || { apt-get install -y -qq --no-install-recommends golang-go >/dev/null 2>&1; }
    GOFLAGS=-mod=mod GOBIN="$bin/new" go install "helm.sh/helm/$major/cmd/helm@$version" >/tmp/helm-$major.log 2>&1 || { tail -20 "/tmp/helm-$major.log" >&2; exit 1; }
    mv "$bin/new/helm" "$bin/helm-$major"
  }
  "$bin/helm-$major" version --short
done
