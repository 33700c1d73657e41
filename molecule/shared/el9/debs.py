"""Debian's packages of a release, downloaded once and unpacked for a spec."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.apt import read_archive
from lab.command import run
from lab.errors import CommandError
from lab.paths import CACHE

DEBS = CACHE / "el9" / "debs"
# Directories that are links into /usr, on RHEL 9 as on Debian.
MERGED = ("bin", "sbin", "lib", "lib64")
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
DOWNLOAD_SECONDS = 600


def download(packages: Iterable[tuple[str, str]]) -> None:
    """Download the Debian packages, given as (suite, name), that are not there."""
    missing: dict[str, list[str]] = {}
    for suite, name in sorted(set(packages)):
        if not any((DEBS / suite).glob(f"{name}_*.deb")):
            missing.setdefault(suite, []).append(name)
    for suite, names in missing.items():
        folder = DEBS / suite
        options = _apt_options(suite, folder)
        try:
            _apt(["download", *names], options, folder)
        except CommandError:
            # The archive has newer ones than the lists say, or there are no lists yet.
            _apt(["update"], options, folder)
            _apt(["download", *names], options, folder)


def unpack(packages: Iterable[tuple[str, str]], target: Path) -> None:
    """Put the files of downloaded Debian packages, given as (suite, name), into a new directory."""
    target.mkdir(parents=True)
    for suite, name in packages:
        file = next((DEBS / suite).glob(f"{name}_*.deb"))
        run(["dpkg-deb", "--extract", str(file), str(target)], timeout=300)
    for name in MERGED:
        if (target / name).is_dir():
            shutil.copytree(target / name, target / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(target / name)


def install_wheels(lock: Path, suite: str, target: Path) -> None:
    """Install the locked Python packages for the Python of a Debian release into a directory."""
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    argv += ["--no-deps", "--no-compile", "--require-hashes", "--only-binary=:all:"]
    argv += ["--implementation=cp", f"--python-version={PYTHONS[suite]}"]
    argv += ["--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64"]
    argv += ["--platform=manylinux2014_x86_64", f"--target={target}", f"--requirement={lock}"]
    run(argv, timeout=DOWNLOAD_SECONDS)


def _apt_options(suite: str, folder: Path) -> list[str]:
    """Return the options that give apt a world of its own with this release's lists."""
    archive = read_archive()
    for part in ("lists/partial", "cache/archives/partial", "sources"):
        (folder / "apt" / part).mkdir(parents=True, exist_ok=True)
    apt = folder / "apt"
    (apt / "sources/debian.sources").write_text(archive.sources(suite), encoding="utf-8")
    (apt / "status").touch()
    options = ["Dir::Etc::SourceList=/dev/null", f"Dir::Etc::SourceParts={apt}/sources"]
    options += [f"Dir::State::Lists={apt}/lists", f"Dir::State::Status={apt}/status"]
    options += [f"Dir::Cache={apt}/cache", "APT::Sandbox::User=root"]
    return [f"--option={option}" for option in options]


def _apt(arguments: Sequence[str], options: Sequence[str], folder: Path) -> None:
    """Run apt-get in a directory; CommandError has its last line."""
    argv = ["apt-get", "--quiet", "--quiet", *options, *arguments]
    done = subprocess.run(
        argv, cwd=folder, text=True, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise CommandError(f"apt-get {' '.join(arguments)}: {lines[-1]}")
