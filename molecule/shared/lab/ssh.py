"""How people, Ansible and the lab itself log in to guests: key, known hosts, client settings."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.command import run
from lab.errors import CommandError, GuestError
from lab.guest import GuestRecord
from lab.paths import lab_directory

USER = "ansible"
SSH_PORT = 22
POLL_SECONDS = 0.05
# The default, post-quantum one of older clients costs 0.2 s per login, on a network that never
# leaves this machine.
KEY_EXCHANGE = "^curve25519-sha256"
IMPATIENT = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=5")


def key_path(lab: str) -> Path:
    """Return the private key that opens every guest of a lab."""
    return lab_directory(lab) / "id_ed25519"


def config_path(lab: str) -> Path:
    """Return the client settings: `ssh -F PATH HOST` logs in to a guest by name."""
    return lab_directory(lab) / "ssh_config"


def ensure_key(lab: str) -> str:
    """Return the lab's public key; makes the pair on the first call."""
    key = key_path(lab)
    public = key.with_suffix(".pub")
    if not public.exists():
        lab_directory(lab).mkdir(parents=True, exist_ok=True)
        key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{lab}", "-f", str(key)])
        if "SUDO_UID" in os.environ:
            # `sudo make lab-up`: the person who called it logs in without sudo.
            os.chown(key, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    return public.read_text(encoding="ascii").strip()


def write_client_files(lab: str, guests: Mapping[str, GuestRecord]) -> None:
    """Write known_hosts and ssh_config for all guests of a lab."""
    directory = lab_directory(lab)
    known = "".join(f"{guest.address},{name} {guest.host_key}\n" for name, guest in guests.items())
    hosts = "".join(f"Host {name}\n  HostName {guest.address}\n" for name, guest in guests.items())
    settings = (
        f"Host *\n  User {USER}\n  IdentityFile {key_path(lab)}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {directory / 'known_hosts'}\n  StrictHostKeyChecking yes\n"
        f"  KexAlgorithms {KEY_EXCHANGE}\n"
    )
    for file, text in ((directory / "known_hosts", known), (config_path(lab), hosts + settings)):
        partial = file.with_name(f"{file.name}.partial")
        partial.write_text(text, encoding="ascii")
        partial.rename(file)


def wait_for_login(
    lab: str, name: str, address: str, *, timeout: float, alive: Callable[[], bool]
) -> None:
    """Return once a login to the guest works.

    Raises GuestError after `timeout` seconds, or as soon as `alive` says that the guest ended.
    """
    deadline = time.monotonic() + timeout
    reason = "nothing listens on port 22"
    while time.monotonic() < deadline:
        if greets(address):
            try:
                run(["ssh", "-F", str(config_path(lab)), *IMPATIENT, name, "true"])
            except CommandError as error:
                reason = str(error).rsplit(": ", 1)[-1]
            else:
                return
        if not alive():
            raise GuestError(f"host {name} ended while booting")
        # A guest's port opens without a notice to anyone outside: asking again is the only way.
        time.sleep(POLL_SECONDS)
    raise GuestError(f"host {name} does not answer on SSH after {timeout:g} s ({reason})")


def greets(address: str) -> bool:
    """Tell whether an SSH server answers at the address."""
    try:
        with socket.create_connection((address, SSH_PORT), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
