#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0
#
# The guest's first process: mount what the tests need, run /job, print one
# line that says how it ended, power off.
PATH=/bin:/sbin:/usr/bin:/usr/sbin
export PATH HOME=/ TERM=dumb

/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
# mount TYPE DIRECTORY: what the kernel does not have is left out
mnt() {
	mkdir -p "$2"
	mount -t "$1" "$1" "$2" 2>/dev/null || rmdir "$2" 2>/dev/null
}
mnt proc /proc
mnt sysfs /sys
mnt devpts /dev/pts
mnt tmpfs /tmp
mnt tmpfs /dev/shm
mnt mqueue /dev/mqueue
mnt debugfs /sys/kernel/debug
mnt tracefs /sys/kernel/tracing
mnt cgroup2 /sys/fs/cgroup
mnt configfs /sys/kernel/config
mnt binder /dev/binderfs
chmod 1777 /tmp /dev/shm
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
ip link set lo up 2>/dev/null
hostname guest
mkdir -p /out

echo "guest: $(uname -r), $(nproc) processors, up $(cut -d' ' -f1 /proc/uptime) s"
status=127
token=$(cat /job.token 2>/dev/null)
if [ -x /job ]; then
	cd /tmp || exit
	/job
	status=$?
	cd / || exit
else
	echo "guest: no /job in the initramfs"
fi

# The files that the job left in /out, as a tar: through the virtio port if
# there is one, else as base64 on the console.
if [ -n "$(ls -A /out)" ]; then
	port=
	for p in /sys/class/virtio-ports/*; do
		[ "$(cat "$p/name" 2>/dev/null)" = ds.out ] && port=/dev/${p##*/}
	done
	if [ -n "$port" ]; then
		tar -C /out -cf "$port" . || echo "guest: /out could not be sent"
	else
		echo "guest-out-begin $token"
		tar -C /out -czf - . | base64
		echo "guest-out-end $token"
	fi
fi
end="guest-end $token status=$status"
echo "$end"
# Sets nothing, but waits for a slow line
stty cs8 2>/dev/null
# Later kernels print from a thread, while tasks write to the same line: what of a
# long report is still to come may have torn the above to pieces. This comes after it.
echo "$end" 2>/dev/null >/dev/kmsg
poweroff -f
# Without ACPI the machine does not go off by itself
echo "guest-halt"
while :; do sleep 1000; done
