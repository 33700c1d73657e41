"""A guest's root file system: the image below, its own data above, its identity written in."""

import json
import os
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

from lab.command import run
from lab.errors import CommandError, HostError
from lab.inventory import Host, Lab
from lab.paths import STATE, guest_directory, lab_directory, mounts_below

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
LOCAL_CA = Path("/usr/local/share/ca-certificates")
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
# longer than any single tool works in a guest's file system that is being made
BUSY_SECONDS = 15.0


@dataclass(frozen=True)
class GuestRecord:
    """What was decided when a guest was created; it holds until the lab is taken down."""

    address: str
    image: str
    host_key: str


def read_record(lab: str, host: str) -> GuestRecord | None:
    """Return the record of a guest, None where it was never completely created."""
    try:
        text = (guest_directory(lab, host) / "guest.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return GuestRecord(**json.loads(text))


def recorded_guests(lab: str) -> dict[str, GuestRecord]:
    """Return the records of all guests of a lab, by host name."""
    records = {name: read_record(lab, name) for name in sorted(guest_directories(lab))}
    return {name: record for name, record in records.items() if record}


def all_recorded_guests() -> list[GuestRecord]:
    """Return the records of the guests of all labs on this machine."""
    labs = [path.name for path in STATE.glob("*/")]
    return [record for lab in labs for record in recorded_guests(lab).values()]


def guest_directories(lab: str) -> set[str]:
    """Return the hosts of a lab that have a directory, complete or not."""
    return {path.name for path in lab_directory(lab).glob("guests/*")}


def root_directory(lab: str, host: str) -> Path:
    """Return where a guest's root file system is mounted on this machine."""
    return guest_directory(lab, host) / "root"


def console_log(lab: str, host: str) -> Path:
    """Return the file that collects what a guest prints on its console."""
    return guest_directory(lab, host) / "console.log"


def create_guest(lab: Lab, host: Host, image: Path, public_key: str) -> None:
    """Make a guest's file system and record; a half-made one is thrown away first."""
    destroy_guest(lab.name, host.name)
    directory = guest_directory(lab.name, host.name)
    # A guest's programs, some of them set-uid, are not for this machine's other users.
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("upper", "work", "root"):
        (directory / part).mkdir(parents=True)
    _mount(directory, image)
    host_key = _write_identity(directory / "root", host, public_key)
    record = GuestRecord(str(host.address), str(image), host_key)
    partial = directory / "guest.json.partial"
    partial.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
    partial.rename(directory / "guest.json")


def mount_guest(lab: str, host: str) -> None:
    """Mount the file system of a guest that was created earlier; idempotent."""
    record = read_record(lab, host)
    if record and not root_directory(lab, host).is_mount():
        _mount(guest_directory(lab, host), Path(record.image))


def destroy_guest(lab: str, host: str) -> None:
    """Unmount and delete a guest's file system and record; nothing happens where none is."""
    directory = guest_directory(lab, host)
    for point in mounts_below(directory):
        _unmount(point)
    shutil.rmtree(directory, ignore_errors=True)


def check_address(lab: Lab) -> None:
    """Raise HostError where the inventory moved a guest that already exists."""
    for host in lab.hosts:
        record = read_record(lab.name, host.name)
        if record and IPv4Address(record.address) != host.address:
            raise HostError(
                f"host {host.name} exists with address {record.address}, the inventory says "
                f"{host.address}: take lab {lab.name!r} down first"
            )


def _unmount(point: Path) -> None:
    """Unmount a file system, once what a killed `up` has left at work in it has ended."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            run(["umount", str(point)])
        except CommandError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _mount(directory: Path, image: Path) -> None:
    """Mount the guest's own layer over the shared image."""
    layers = f"lowerdir={image},upperdir={directory / 'upper'},workdir={directory / 'work'}"
    run(["mount", "-t", "overlay", "-o", layers, "skillupworks-lab", str(directory / "root")])


def _write_identity(root: Path, host: Host, public_key: str) -> str:
    """Write what makes this guest this host; return its public host key."""
    etc = root / "etc"
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
    (etc / "hostname").write_text(f"{host.name}\n", encoding="ascii")
    (etc / "hosts").write_text(
        f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{host.address} {host.name}\n",
        encoding="ascii",
    )
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").write_text(_resolver(), encoding="utf-8")
    if CA_BUNDLE.exists():
        shutil.copyfile(CA_BUNDLE, etc / "ssl/certs/ca-certificates.crt")
    if LOCAL_CA.is_dir():
        # So that the bundle still holds them after a package rebuilt it.
        shutil.copytree(LOCAL_CA, root / LOCAL_CA.relative_to("/"), dirs_exist_ok=True)
    key = etc / "ssh/ssh_host_ed25519_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", str(key)])
    home = root / "home/ansible"
    owner = home.stat()
    authorized = home / ".ssh/authorized_keys"
    authorized.write_text(f"{public_key}\n", encoding="ascii")
    authorized.chmod(0o600)
    os.chown(authorized, owner.st_uid, owner.st_gid)
    return " ".join(key.with_suffix(".pub").read_text(encoding="ascii").split()[:2])


def _resolver() -> str:
    """Return a resolver configuration that works in a guest: not one on this machine's loopback."""
    texts = [path.read_text(encoding="utf-8") for path in RESOLVERS if path.exists()]
    for text in texts:
        servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
        if any(not server.startswith("127.") for server in servers):
            return text
    return texts[0] if texts else ""
