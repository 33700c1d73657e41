#!/bin/sh
# Make a host of an EL9 root file system ($1), such as a container's: what Ansible needs, one user with sudo, key logins only.
# Its text is part of the image's cache key.
set -eu
root=$1

# The packages are the distribution's own, from its repositories as this machine reaches them.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" dnf --assumeyes --setopt=install_weak_deps=False install \
    systemd openssh-server sudo python3 iproute procps-ng less dbus-broker
chroot "$root" dnf clean all

rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
rm -f "$root/etc/hostname"
chroot "$root" useradd --create-home --shell /bin/bash --comment Ansible ansible
install -d -m 0700 "$root/home/ansible/.ssh"
chroot "$root" chown ansible:ansible /home/ansible/.ssh
printf 'ansible ALL=(ALL:ALL) NOPASSWD:ALL\n' > "$root/etc/sudoers.d/90-ansible"
chmod 0440 "$root/etc/sudoers.d/90-ansible"
cat > "$root/etc/ssh/sshd_config.d/10-lab.conf" <<'CONF'
PermitRootLogin no
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
CONF
chroot "$root" systemctl enable sshd.service
for unit in sshd-keygen.target getty.target console-getty.service systemd-pstore.service \
    dev-hugepages.mount sys-fs-fuse-connections.mount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"
