#!/usr/bin/env bash
# rootfs.sh DIR: a minimal Debian root file system (glibc, bash, busybox) from Debian's own packages, 11 MB.
set -euo pipefail
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"/usr/{bin,sbin,lib,lib64} "$out"/{etc,tmp,proc,sys,dev,root,run,var/lib,opt,home/appuser}
chmod 1777 "$out/tmp"
for d in bin sbin lib lib64; do ln -s "usr/$d" "$out/$d"; done
(
  cd "$work"
  chmod 755 .
  apt-get download -q libc6 libtinfo6 bash busybox-static libgcc-s1 libstdc++6 zlib1g base-files >/dev/null 2>&1
)
for deb in "$work"/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$out" --keep-directory-symlink \
    --exclude='./usr/share/*' --exclude='*/gconv/*' --exclude='./usr/lib/systemd*' --exclude='./lib/systemd*'
done
ln -sf bash "$out/usr/bin/sh"
for applet in $("$out/usr/bin/busybox" --list); do
  [ -e "$out/usr/bin/$applet" ] || ln -s busybox "$out/usr/bin/$applet"
done
printf 'root:x:0:0:root:/root:/bin/bash\nappuser:x:1000:1000::/home/appuser:/bin/bash\n' >"$out/etc/passwd"
printf 'root:x:0:\nappuser:x:1000:\n' >"$out/etc/group"
echo 'hosts: files dns' >"$out/etc/nsswitch.conf"
