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


def unpack(packages: Iterable[tuple[str, str]], target: Path) -> None:
    """Put the files of Debian packages, given as (suite, name), into an empty directory."""
    target.mkdir(parents=True)
    for suite, name in packages:
        run(["dpkg-deb", "--extract", str(_deb(suite, name)), str(target)], timeout=300)
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


def _deb(suite: str, name: str) -> Path:
    """Return the file of a package; downloads it unless it is there."""
    folder = DEBS / suite
    pattern = f"{name}_*.deb"
    if not any(folder.glob(pattern)):
        options = _apt_options(suite, folder)
        _apt(["download", name], options, folder)
    return next(folder.glob(pattern))


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
    words = [f"--option={option}" for option in options]
    if not any((apt / "lists").glob("*_Packages*")):
        _apt(["update"], words, folder)
    return words


def _apt(arguments: Sequence[str], options: Sequence[str], folder: Path) -> None:
    """Run apt-get in a directory; CommandError has its last line."""
    argv = ["apt-get", "--quiet", "--quiet", *options, *arguments]
    done = subprocess.run(
        argv, cwd=folder, text=True, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise CommandError(f"apt-get {' '.join(arguments)}: {lines[-1]}")
