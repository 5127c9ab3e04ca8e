#!/usr/bin/env bash
# Makes a root of Debian's packages for arm64, to link and run against on another machine:  sysroot.sh FOLDER
#
# Nothing in it is set up and nothing of this machine is changed: apt is given books of its own, and the packages with all
# that they depend on are unpacked below FOLDER/root. Done once; says nothing when it is there and the list is the same.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
read -ra wanted <<<"$("$top/tools/setup/packages.sh" libraries)"
# From where this machine has its own.
sources=$(apt-get indextargets --format 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(SITE) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sort -u)
[ -n "$sources" ] || { echo "sysroot: apt knows no source of Debian's (apt-get update)" >&2; exit 1; }
stamp="$sources ${wanted[*]}"
[ "$(cat "$folder/made" 2>/dev/null)" = "$stamp" ] && exit 0
rm -rf "$folder/root" "$folder/made"

apt=$folder/apt
mkdir -p "$apt"/{lists/partial,archives/partial,parts} "$folder/root/usr"/{bin,sbin,lib}
: >"$apt/status"
echo "$sources" >"$apt/sources.list"
cat >"$apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Debug::NoLocking "true";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::Etc::preferencesparts "$apt/parts";
END
export APT_CONFIG=$apt/apt.conf
apt-get update -q
apt-get install -q -y --download-only "${wanted[@]}"

for name in bin sbin lib; do ln -s "usr/$name" "$folder/root/$name"; done
for package in "$apt"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" |
        tar -x -C "$folder/root" --no-same-owner --keep-directory-symlink --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
done
# Programs under emulation look here first: what the machine says of its users, names and certificates must hold.
rm -rf "$folder/root/etc" "$folder/root/var" "$apt/archives"
find "$folder/root/usr/lib" -type l -lname '/*' | while read -r link; do
    target=$folder/root$(readlink "$link")
    if [ -e "$target" ]; then ln -sfnr "$target" "$link"; fi
done
echo "$stamp" >"$folder/made"
