#!/usr/bin/env bash
# Installs what `make deploy-test` needs: Prometheus with promtool from Debian, kubernetes-validate from
# PyPI (it ships the schemas of Kubernetes), and helm 3 and 4, built from Go's module proxy.
set -euo pipefail
bin=${TOOLS_BIN:-$HOME/.cache/voucherbus/bin}
mkdir -p "$bin"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install_packages() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; }
command -v prometheus >/dev/null && command -v promtool >/dev/null || {
  # The two programs alone: the package would start a service.
  chmod 755 "$work"
  apt-get update -qq >/dev/null
  (cd "$work" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb out)
  install "$work"/out/usr/bin/{prometheus,promtool} /usr/local/bin/
}
prometheus --version | head -1
command -v kubernetes-validate >/dev/null || {
  python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
  python3 -m pip install -q --root-user-action=ignore kubernetes-validate==1.37.0 2>/dev/null ||
    python3 -m pip install -q --root-user-action=ignore --break-system-packages kubernetes-validate==1.37.0
}
kubernetes-validate --version
for version in v3.22.0 v4.3.1; do
  major=${version%%.*}
  [ -x "$bin/helm-$major" ] || {
    command -v go >/dev/null || export PATH=$PATH:/usr/local/go/bin
    GOFLAGS=-mod=mod GOBIN=$work go install "helm.sh/helm/$major/cmd/helm@$version" >"$work/go.log" 2>&1 || { tail -20 "$work/go.log" >&2; exit 1; }
    mv "$work/helm" "$bin/helm-$major"
  }
  "$bin/helm-$major" version --short
done
