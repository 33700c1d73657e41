"""RHEL 9's packages for the lab's contract hosts: its names and layout over Debian's programs."""
