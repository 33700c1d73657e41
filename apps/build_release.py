"""Builds the release: one archive that installs the services on a host without a network.

It holds the project's wheel, a wheel of every dependency for each Python of the hosts, their
hashes, and uv to install them. The same content gives the same archive, byte for byte; when
nothing changed, nothing is built. Run by `make release`.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APPS = Path(__file__).resolve().parent
ROOT = APPS.parent
LOCK = ROOT / "requirements" / "app.txt"
DIST = ROOT / "dist"

PYTHONS = ("3.11", "3.12", "3.13")
# glibc 2.34 is RHEL 9's; wheels for anything older run there as well
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(34, 4, -1)),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"),
)
KEEP = 3


class BuildError(Exception):
    """The release cannot be built; the message says why in one line."""


def main() -> int:
    """Build if needed and say which release there is; 1 and one line when it cannot be built."""
    try:
        DIST.mkdir(exist_ok=True)
        with lock(DIST / ".build.lock"):
            print(build())
    except (BuildError, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> str:
    """Build the release unless it is there; return the line that says which one it is."""
    uv = find_uv()
    version = f"{project_version()}+{content_digest(uv)[:8]}"
    manifest = DIST / "release.json"
    artifact = DIST / f"skillupworks-{version}.tar"
    if is_current(manifest, artifact, version):
        return f"release {version} is up to date"
    with tempfile.TemporaryDirectory(dir=DIST) as temporary:
        stage = Path(temporary) / "stage"
        wheels = stage / "wheels"
        shutil.copytree(download_wheels(), wheels)
        wheel = build_wheel(uv, Path(temporary) / "wheel")
        shutil.copy(wheel, wheels)
        (stage / "requirements.txt").write_text(requirements(wheel))
        (stage / "VERSION").write_text(f"{version}\n")
        shutil.copy(uv, stage / "uv")
        archive = Path(temporary) / artifact.name
        write_archive(stage, archive)
        archive.replace(artifact)
    write_manifest(manifest, artifact, version)
    remove_old(artifact)
    return f"release {version}: {artifact.relative_to(ROOT)}, {artifact.stat().st_size >> 20} MiB"


def find_uv() -> Path:
    """Return the uv program of the virtual environment; it goes into the archive."""
    uv = Path(sys.prefix) / "bin" / "uv"
    if not uv.is_file():
        raise BuildError(f"{uv} is missing: run this with the project's .venv, as `make release`")
    return uv


def project_version() -> str:
    """Return the version in pyproject.toml."""
    version: str = tomllib.loads((APPS / "pyproject.toml").read_text())["project"]["version"]
    return version


def content_digest(uv: Path) -> str:
    """Return a hash over everything the archive is made of."""
    digest = hashlib.sha256()
    sources = sorted(
        path
        for path in (APPS / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    )
    for path in (*sources, APPS / "pyproject.toml", Path(__file__), LOCK, uv):
        name = path.name if path == uv else str(path.relative_to(ROOT))
        digest.update(f"{name}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


def is_current(manifest: Path, artifact: Path, version: str) -> bool:
    """Say whether the manifest names this version and the archive is as it was written."""
    try:
        known = json.loads(manifest.read_text())
        return bool(known["version"] == version and known["sha256"] == file_digest(artifact))
    except (OSError, ValueError, KeyError):
        return False


def download_wheels() -> Path:
    """Return a folder with the locked wheels for all Pythons; downloads what is not cached."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skillupworks"
    key = hashlib.sha256("\n".join((file_digest(LOCK), *PYTHONS, *PLATFORMS)).encode()).hexdigest()
    folder = base / "wheels" / key[:16]
    base.mkdir(parents=True, exist_ok=True)
    with lock(base / ".wheels.lock"):
        if folder.is_dir():
            return folder
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            incoming = Path(temporary) / "wheels"
            for python in PYTHONS:
                print(f"release: downloading the wheels for Python {python}", flush=True)
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
                command += ["--require-hashes", "--only-binary=:all:", "--dest", str(incoming)]
                command += ["--implementation", "cp", "--python-version", python]
                command += [f"--platform={platform}" for platform in PLATFORMS]
                command += ["--requirement", str(LOCK)]
                run(command, f"cannot download the wheels for Python {python}")
            incoming.replace(folder)
    return folder


def build_wheel(uv: Path, folder: Path) -> Path:
    """Build the project's wheel; uv's own build backend gives the same file for the same source."""
    command = [str(uv), "build", "--quiet", "--wheel", "--offline", "--no-config"]
    command += ["--out-dir", str(folder), str(APPS)]
    run(command, "cannot build the project's wheel")
    return next(folder.glob("*.whl"))


def requirements(wheel: Path) -> str:
    """Return the lock list with the project's own wheel in it."""
    own = f"skillupworks=={project_version()} --hash=sha256:{file_digest(wheel)}\n"
    return LOCK.read_text() + own


def write_archive(folder: Path, archive: Path) -> None:
    """Write a folder as .tar; nothing in it depends on when, where or by whom it is made.

    Not compressed: wheels are, and every pass over the archive on the host would unpack it again.
    """

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mode = 0o755 if member.isdir() or member.name == "./uv" else 0o644
        return member

    with tarfile.open(archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            name = f"./{path.relative_to(folder)}"
            tar.add(path, name, recursive=False, filter=anonymous)


def write_manifest(manifest: Path, artifact: Path, version: str) -> None:
    """Say which release is the newest; the file changes in one step."""
    content = {
        "version": version,
        "artifact": str(artifact.relative_to(ROOT)),
        "sha256": file_digest(artifact),
    }
    temporary = manifest.with_suffix(".new")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(manifest)


def remove_old(artifact: Path, pattern: str = "skillupworks-*.tar") -> None:
    """Keep the newest archives only."""
    archives = sorted(DIST.glob(pattern), key=lambda path: path.stat().st_mtime)
    for path in archives[:-KEEP]:
        if path != artifact:
            path.unlink()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(command: list[str], problem: str) -> None:
    """Run a command; BuildError with its last line of error output when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise BuildError(f"{problem}: {lines[-1] if lines else f'exit {result.returncode}'}")


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two builds do not mix."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
