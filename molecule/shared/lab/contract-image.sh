#!/bin/sh
# Make a Debian tree ($1) answer like RHEL 9 to Ansible and to roles: its release, dnf instead of apt, its folders.
# Called by mmdebstrap after customize-image.sh; its text is part of the image's cache key.
set -eu
root=$1

# The release. Ansible looks at these files; dnf takes the platform of its modules from os-release.
cat > "$root/usr/lib/os-release" <<'OS'
NAME="Red Hat Enterprise Linux"
VERSION="9.7 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.7"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux 9.7 (Plow)"
ANSI_COLOR="0;31"
CPE_NAME="cpe:/o:redhat:enterprise_linux:9::baseos"
OS
ln -sf ../usr/lib/os-release "$root/etc/os-release"
echo 'Red Hat Enterprise Linux release 9.7 (Plow)' > "$root/etc/redhat-release"
ln -sf redhat-release "$root/etc/system-release"
rm -f "$root/etc/debian_version" "$root/etc/lsb-release"

# Its folders and its sudo, which finds nothing in /usr/local/bin.
mkdir -p "$root/etc/sysconfig" "$root/etc/yum.repos.d" "$root/etc/pki/rpm-gpg" "$root/usr/lib64" "$root/srv/mirror"
sed -i 's,secure_path=.*,secure_path="/sbin:/bin:/usr/sbin:/usr/bin",' "$root/etc/sudoers"

# Who may use sudo is in wheel. Debian's group for that has the number of RHEL's mysql.
chroot "$root" groupmod --gid 990 --new-name wheel sudo

# The platform's Python is not the one that a package brings beside it.
python=$(readlink "$root/usr/bin/python3")
mv "$root/usr/bin/$python" "$root/usr/libexec/platform-python"
ln -sf ../libexec/platform-python "$root/usr/bin/python3"

# Nothing is enabled by being installed, but what RHEL's presets name.
mkdir -p "$root/usr/lib/systemd/system-preset"
printf 'enable %s\n' sshd.service firewalld.service chronyd.service \
    > "$root/usr/lib/systemd/system-preset/90-default.preset"
echo 'disable *' > "$root/usr/lib/systemd/system-preset/99-default-disable.preset"

# Packages are dnf's, from the lab's mirror, which is on the same machine.
chroot "$root" rpm --initdb
cat > "$root/etc/dnf/dnf.conf" <<'DNF'
[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
DNF
cat > "$root/etc/yum.repos.d/redhat.repo" <<'REPO'
[rhel-9-for-x86_64-baseos-rpms]
name = Red Hat Enterprise Linux 9 for x86_64 - BaseOS (RPMs)
baseurl = http://127.0.0.1:8088/cdn.redhat.com/content/dist/rhel9/9/x86_64/baseos/os
enabled = 1
gpgcheck = 1
gpgkey = file:///srv/mirror/redhat/RPM-GPG-KEY-redhat-release

[rhel-9-for-x86_64-appstream-rpms]
name = Red Hat Enterprise Linux 9 for x86_64 - AppStream (RPMs)
baseurl = http://127.0.0.1:8088/cdn.redhat.com/content/dist/rhel9/9/x86_64/appstream/os
enabled = 1
gpgcheck = 1
gpgkey = file:///srv/mirror/redhat/RPM-GPG-KEY-redhat-release
REPO
# The mirror that hosts without Internet have: the lab's, which it puts at /srv/mirror.
cat > "$root/etc/systemd/system/lab-mirror.service" <<'UNIT'
[Unit]
Description=The lab's mirror of packages
Before=ssh.service

[Service]
ExecStart=/usr/libexec/platform-python -m http.server --bind 127.0.0.1 --directory /srv/mirror 8088
StandardOutput=null
StandardError=null
DynamicUser=yes
UNIT
# dnf asks its database which release the host has.
cat > "$root/etc/systemd/system/lab-release.service" <<'UNIT'
[Unit]
Description=What a host has installed that is not of the lab's packages
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'rpm --query --quiet redhat-release || \
    rpm --install --justdb --nosignature /srv/mirror/cdn.redhat.com/content/dist/rhel9/9/x86_64/baseos/os/redhat-release-*.rpm'
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
for unit in lab-mirror.service lab-release.service; do
    ln -sf "../$unit" "$root/etc/systemd/system/multi-user.target.wants/$unit"
done

# Debian's own tools are out of the way, so that a role that calls them fails as it would there.
mkdir -p "$root/usr/lib/lab-hidden"
for tool in apt apt-get apt-cache apt-cdrom apt-config apt-key apt-mark dpkg dpkg-deb dpkg-query dpkg-divert \
    dpkg-reconfigure dpkg-split dpkg-statoverride dpkg-trigger update-rc.d; do
    for folder in usr/bin usr/sbin; do
        [ ! -e "$root/$folder/$tool" ] || mv "$root/$folder/$tool" "$root/usr/lib/lab-hidden/"
    done
done
