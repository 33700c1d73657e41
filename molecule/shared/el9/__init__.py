"""Packages and repositories of RHEL 9 for the lab's contract hosts: its names and layout over Debian's programs."""
