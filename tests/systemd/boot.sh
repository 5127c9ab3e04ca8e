#!/bin/bash
# boot.sh ROOT CHANGES: run in new namespaces; mounts a machine of its own over ROOT and becomes its systemd.
# Devices are made anew, not bound: what the machine does to them must not reach ours.
set -euo pipefail
root=$1 changes=$2 machine=$2/machine
mount --make-rprivate /
mkdir -p "$changes"/{upper,work,machine}
mount -t overlay -o "lowerdir=$root,upperdir=$changes/upper,workdir=$changes/work" overlay "$machine"
mount -t proc proc "$machine/proc"
mount -t sysfs sysfs "$machine/sys"
mount -t cgroup2 cgroup2 "$machine/sys/fs/cgroup" 2>/dev/null || {
    mount -t tmpfs -o mode=755 tmpfs "$machine/sys/fs/cgroup"
    mount -t cgroup2 cgroup2 "$machine/sys/fs/cgroup"
}
mount -t tmpfs -o mode=755 tmpfs "$machine/run"
mount -t tmpfs -o mode=1777 tmpfs "$machine/tmp"
mount -t tmpfs -o mode=755 tmpfs "$machine/dev"
while read -r name major minor; do mknod -m 666 "$machine/dev/$name" c "$major" "$minor"; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
mkdir "$machine"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$machine/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$machine/dev/shm"
ln -s pts/ptmx "$machine/dev/ptmx"
ln -s /proc/self/fd "$machine/dev/fd"
ip link set lo up
cd "$machine"
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=ganglion PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system
