#!/usr/bin/env bash
# dockerd.sh start | stop: a Docker engine of our own if none responds. Both are idempotent; stop ends only what start began.
set -euo pipefail
run=/run/voucherbus-dockerd
pidfile=$run/dockerd.pid
answers() { docker version -f '{{.Server.Version}}' >/dev/null 2>&1; }
alive() { [ -s "$pidfile" ] && grep -qs dockerd "/proc/$(cat "$pidfile")/comm"; }
export PATH=$PATH:/usr/sbin:/sbin
case ${1:-start} in
  start)
    answers && exit 0
    [ "$(id -u)" = 0 ] || { echo 'no Docker engine answers, and only root can start one' >&2; exit 1; }
    command -v dockerd >/dev/null || {
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io
    } >/dev/null 2>&1
    mkdir -p "$run"
    alive || rm -f "$pidfile" /var/run/docker.pid
    # setsid and a log file: a CI runner would otherwise wait for the pipe that the daemon inherits.
    setsid nohup dockerd --pidfile "$pidfile" --host unix:///var/run/docker.sock --ip 127.0.0.1 --ipv6=false \
      >"$run/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 300); do answers && exit 0; sleep 0.1; done
    tail -20 "$run/dockerd.log" >&2
    exit 1
    ;;
  stop)
    alive || exit 0
    pid=$(cat "$pidfile")
    kill "$pid"
    for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done
    kill -9 "$pid"
    ;;
esac
