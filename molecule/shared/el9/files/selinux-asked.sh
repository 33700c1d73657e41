#!/bin/sh
# Stands for a command of SELinux: notes what was asked of it.
printf '%s %s\n' "${0##*/}" "$*" >> /var/log/selinux-asked
