"""Builds the storefront's archive: its pages, scripts and pictures, as nginx serves them.

One file to copy instead of fifty. Scripts and styles are in a folder that is named after the
content of all of them: modules import each other by relative names, so that none has to be
rewritten, and whoever has an old page still gets what belongs to it. Run by `make release`.
"""

import hashlib
import sys
import tempfile
from pathlib import Path
from shutil import copytree

from build_release import (
    DIST,
    ROOT,
    file_digest,
    is_current,
    lock,
    remove_old,
    write_archive,
    write_manifest,
)

SOURCE = ROOT / "files" / "storefront"
PICTURES = ROOT / "files" / "catalogue" / "pictures"
# stands for the version in the pages
PLACEHOLDER = "@VERSION@"


def main() -> int:
    """Build if needed and say which storefront there is; 1 and one line when it cannot be built."""
    try:
        DIST.mkdir(exist_ok=True)
        with lock(DIST / ".storefront.lock"):
            print(build())
    except OSError as error:
        print(f"storefront: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> str:
    """Build the archive unless it is there; return the line that says which one it is."""
    version = content_digest([SOURCE, PICTURES, Path(__file__)])
    manifest, artifact = DIST / "storefront.json", DIST / f"storefront-{version}.tar"
    if is_current(manifest, artifact, version):
        return f"storefront {version} is up to date"
    with tempfile.TemporaryDirectory(dir=DIST) as temporary:
        stage = Path(temporary) / "stage"
        assets = content_digest([SOURCE / "assets"])
        copytree(SOURCE / "assets", stage / "assets" / assets)
        copytree(PICTURES, stage / "pictures")
        for page in sorted(SOURCE.glob("*.html")):
            (stage / page.name).write_text(page.read_text().replace(PLACEHOLDER, assets))
        # the last one by its name: when it is there, so is all that it names
        (stage / "version.txt").write_text(f"{version}\n")
        archive = Path(temporary) / artifact.name
        write_archive(stage, archive)
        archive.replace(artifact)
    write_manifest(manifest, artifact, version)
    remove_old(artifact, "storefront-*.tar")
    return f"storefront {version}: {artifact.relative_to(ROOT)}"


def content_digest(sources: list[Path]) -> str:
    """Return the beginning of a hash over files, and what is in folders, with their names."""
    digest = hashlib.sha256()
    for source in sources:
        files = sorted(path for path in source.rglob("*") if path.is_file()) or [source]
        for path in files:
            digest.update(f"{path.relative_to(ROOT)}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
