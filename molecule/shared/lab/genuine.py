"""Images of genuine EL9 distributions, from root file systems that somebody has downloaded."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

from lab.command import SYSTEM_PATH
from lab.errors import ImageError
from lab.paths import CACHE

# Image → environment variable with the path of its root file system, a tar archive.
ARCHIVES = {
    "rocky9": "LAB_ROCKY9",
    "alma9": "LAB_ALMA9",
    "ubi9-init": "LAB_UBI9_INIT",
}
CUSTOMIZE = Path(__file__).with_name("genuine-image.sh")
LOG_LINES = 15


def genuine_path(name: str) -> Path:
    """Return where the image lives; ImageError says which variable names no archive.

    The path changes with the archive and with what is done to it.
    """
    archive = _archive(name)
    stat = archive.stat()
    parts = [name, str(archive), stat.st_size, stat.st_mtime_ns, CUSTOMIZE.read_text("utf-8")]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return CACHE / f"{name}-{digest[:12]}"


def unpack_genuine(name: str, target: Path) -> None:
    """Unpack an archive into a new directory and make a host of it, with packages it lacks."""
    target.mkdir()
    unpack = ["tar", "--extract", "--numeric-owner", "--xattrs", f"--file={_archive(name)}"]
    for argv in ([*unpack, f"--directory={target}"], [str(CUSTOMIZE), str(target)]):
        done = subprocess.run(
            argv, text=True, capture_output=True, env={"PATH": SYSTEM_PATH}, check=False
        )
        if done.returncode != 0:
            words = done.stderr.splitlines()[-LOG_LINES:]
            raise ImageError(f"{Path(argv[0]).name} could not make {target.stem}", words)


def _archive(name: str) -> Path:
    variable = ARCHIVES[name]
    archive = Path(os.environ.get(variable, ""))
    if not archive.is_file():
        raise ImageError(f"lab_image {name!r} needs {variable}, the path of a root file system")
    return archive
