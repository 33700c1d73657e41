"""The local lab: real systemd hosts on one machine, booted as systemd-nspawn guests."""
