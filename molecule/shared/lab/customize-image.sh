#!/bin/sh
# Turn a fresh Debian tree ($1) into something like the distribution's cloud image:
# one user with sudo, key logins only, no identity of its own, no background jobs.
# Called by mmdebstrap; its text is part of the image's cache key.
set -eu
root=$1

# Identity belongs to a guest, never to the image all guests share.
rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname"

chroot "$root" useradd --create-home --shell /bin/bash --comment 'Ansible' ansible
install -d -m 0700 -o "$(stat -c %u "$root/home/ansible")" -g "$(stat -c %g "$root/home/ansible")" \
    "$root/home/ansible/.ssh"
printf 'ansible ALL=(ALL:ALL) NOPASSWD:ALL\n' > "$root/etc/sudoers.d/90-ansible"
chmod 0440 "$root/etc/sudoers.d/90-ansible"
cat > "$root/etc/ssh/sshd_config.d/50-lab.conf" <<'CONF'
PermitRootLogin no
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
CONF

# A guest does not outlive its machine: installing need not wait for the disk after each file.
printf 'force-unsafe-io\n' > "$root/etc/dpkg/dpkg.cfg.d/lab"

printf 'LANG=C.UTF-8\n' > "$root/etc/locale.conf"
printf 'LANG=C.UTF-8\n' > "$root/etc/default/locale"

# The lab brings the host key; without this, each first boot would compute an RSA key.
# Timers that download or rewrite things would disturb measurements; nobody sits at a console;
# the mounts are the kernel's business, not a guest's.
for unit in sshd-keygen.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer fstrim.timer getty.target console-getty.service systemd-pstore.service \
    dev-hugepages.mount sys-fs-fuse-connections.mount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# Listening must mean that a login works: before this, non-root logins are refused.
mkdir -p "$root/etc/systemd/system/ssh.service.d"
cat > "$root/etc/systemd/system/ssh.service.d/lab.conf" <<'CONF'
[Unit]
After=systemd-user-sessions.service
CONF

# What a first boot does after an update of /usr (users, linker cache, catalog) is done already.
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"
