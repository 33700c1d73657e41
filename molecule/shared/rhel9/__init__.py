"""What is true of RHEL 9, and whether roles, units and package specs say the same.

table      reads molecule/shared/rhel9/facts.yml
claims     what roles claim
packages   what the specs of contract hosts' packages claim
templates  the roles' templates, as on RHEL
policy     what SELinux's policy says about what units do
page       writes docs/rhel9.md
mutations  breaks the roles one place at a time, to see whether tests notice
"""
