#!/usr/bin/env bash
# Installs the Debian packages that a task needs and that are missing:  packages.sh run | check | aarch64 | systemd
#
# `run` builds and runs a deployment; `check` adds what only the tests need, `aarch64` what builds and runs the same for
# another machine, `systemd` what boots one in namespaces. Says nothing when nothing is missing. `packages.sh libraries` names what a build links.
# As root it calls itself once more, behind a lock, for the installation alone:  packages.sh install PACKAGE...
set -euo pipefail

run=(build-essential cmake ninja-build pkg-config ccache
    libevent-dev libhiredis-dev libpq-dev libjansson-dev libyaml-dev libltdl-dev libssl-dev libsodium-dev
    libcurl4-openssl-dev libc-ares-dev libhttp-parser-dev libunistring-dev libpcre2-dev libvips-dev libxml2-dev libcrypt-dev zlib1g-dev
    postgresql postgresql-client redis-server nginx-light python3 python3-yaml curl ca-certificates util-linux procps)
check=(libcmocka-dev clang libclang-rt-14-dev valgrind haproxy python3-venv python3-dev python3-psycopg2 file dpkg-dev
    fakeroot git chromium systemd)
aarch64=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static debian-archive-keyring)
systemd=(debootstrap lintian debian-archive-keyring iproute2)

if [ "${1:-}" = libraries ]; then
    for package in "${run[@]}" "${check[@]}"; do
        case $package in python* | dpkg-dev | libclang-*) ;; *-dev) printf '%s ' "$package" ;; esac
    done
    exit 0
fi

if [ "${1:-}" = install ]; then
    shift
    # The packages start services of their own, on the usual ports; a deployment here has private ones.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
    exit 0
fi

want=("${run[@]}")
case "${1:-run}" in
check) want+=("${check[@]}") ;;
aarch64) want+=("${check[@]}" "${aarch64[@]}") ;;
systemd) want+=("${check[@]}" "${systemd[@]}") ;;
esac

missing=()
for package in "${want[@]}"; do
    # nginx-light conflicts with other builds of nginx: any nginx will do.
    if [ "$package" = nginx-light ] && PATH=$PATH:/usr/sbin command -v nginx >/dev/null 2>&1; then continue; fi
    if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then missing+=("$package"); fi
done
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null 2>&1 || { echo "packages: this is no Debian (no apt-get); what is needed: ${want[*]}" >&2; exit 1; }
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "packages: neither root nor sudo is here to install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
    # Asks for the password before the output goes to a file.
    sudo true || { echo "packages: sudo is needed to install ${missing[*]}" >&2; exit 1; }
fi
echo "packages: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${as_root[@]}" flock /run/ganglion-packages.lock bash "$(realpath "$0")" install "${missing[@]}" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "packages: apt-get could not install them (its last lines are above)" >&2
    exit 1
fi
