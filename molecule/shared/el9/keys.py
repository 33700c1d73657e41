"""The keys that stand for the distributor's and the vendors' own: made once on this machine."""

import os
import shutil
import subprocess
from pathlib import Path

from lab.command import SYSTEM_PATH
from lab.errors import ImageError
from lab.paths import CACHE

HOME = CACHE / "el9" / "keys"
NAMES = ("redhat", "rabbitmq-release", "rabbitmq-erlang", "rabbitmq-server", "mongodb")


def make_keys() -> None:
    """Make the keys that are missing; they sign nothing outside of the lab and have no password."""
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in NAMES:
        if not public_key(name).exists():
            # RHEL 9 refuses SHA-1 signatures; these are SHA-256.
            _gpg(["--quick-generate-key", user_id(name), "rsa3072", "sign", "never"])
            text = _gpg(["--armor", "--export", user_id(name)])
            public_key(name).write_text(text, encoding="ascii")


def public_key(name: str) -> Path:
    """Return the file with a key's public part."""
    return HOME / f"{name}.asc"


def user_id(name: str) -> str:
    """Return what names a key in the key ring."""
    return f"contract {name} <{name}@lab.invalid>"


def sign_packages(packages: list[Path], key: str) -> None:
    """Sign RPMs."""
    # rpm has the path of another gpg than Debian.
    settings = (f"_gpg_name {user_id(key)}", f"__gpg {shutil.which('gpg', path=SYSTEM_PATH)}")
    words = [word for setting in settings for word in ("--define", setting)]
    _run(["rpmsign", *words, "--addsign", *map(str, packages)])


def sign_repository(repository: Path, key: str) -> None:
    """Sign the index of a repository."""
    index = repository / "repodata/repomd.xml"
    _gpg(["--armor", "--local-user", user_id(key), "--detach-sign", str(index)])


def close() -> None:
    """End the agent that holds the keys."""
    _run(["gpgconf", "--kill", "all"])


def _gpg(arguments: list[str]) -> str:
    words = ["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    return _run(["gpg", *words, *arguments])


def _run(argv: list[str]) -> str:
    environment = {"PATH": SYSTEM_PATH, "GNUPGHOME": str(HOME), "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(argv, env=environment, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ImageError(f"{argv[0]} could not sign", lines[-5:])
    return done.stdout
