#!/usr/bin/env bash
# Makes a root of Debian with systemd, PostgreSQL and Redis for ./check systemd:  debian_root.sh FOLDER PACKAGE...
# PACKAGE...: what must be there beside, as in a Depends field. Done once; says nothing when it is there and nothing changed.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
shift
source=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian' | sort | head -n 1)
[ -n "$source" ] || { echo "debian_root: apt knows no source of Debian's (apt-get update)" >&2; exit 1; }
stamp="$source $*"
[ "$(cat "$folder/made" 2>/dev/null)" = "$stamp" ] && exit 0
rm -rf "$folder/root" "$folder/made"
debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,postgresql,redis-server,curl,procps,iproute2 "${source#* }" "$folder/root" \
    "${source% *}"
cp /etc/resolv.conf "$folder/root/etc/resolv.conf"
chroot "$folder/root" env DEBIAN_FRONTEND=noninteractive apt-get satisfy -q -y --no-install-recommends "$*"
chroot "$folder/root" apt-get clean
rm -rf "$folder/root"/{dev,run,tmp}/*
# A machine that was set up before: a first boot would enable and ask all kinds of things.
echo 0123456789abcdef0123456789abcdef >"$folder/root/etc/machine-id"
echo "$stamp" >"$folder/made"
