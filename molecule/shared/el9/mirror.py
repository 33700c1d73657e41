"""The repositories that a contract host installs from, RHEL's and the vendors', as a mirror."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from el9 import debs, keys, modules
from el9.specs import Spec, read_specs
from lab.apt import read_archive
from lab.command import run
from lab.paths import CACHE, locked
from lab.progress import Progress

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
STORE = CACHE / "el9"
KEEP_SECONDS = 7 * 24 * 3600
BUILD_SECONDS = 300

# Tool → Debian package that brings it.
TOOLS = {"rpmbuild": "rpm", "rpmsign": "rpm", "createrepo_c": "createrepo-c", "gpg": "gpg"}


@dataclass(frozen=True)
class Repository:
    """Where a repository is, as `host/path`, and whose key its packages have.

    `index_key` is the one of its index, where that is signed.
    """

    path: str
    key: str
    index_key: str | None = None


# By the name that specs have for it.
REPOSITORIES = {
    "baseos": Repository("cdn.redhat.com/content/dist/rhel9/9/x86_64/baseos/os", "redhat"),
    "appstream": Repository("cdn.redhat.com/content/dist/rhel9/9/x86_64/appstream/os", "redhat"),
    "rabbitmq-erlang": Repository(
        "yum1.rabbitmq.com/erlang/el/9/x86_64", "rabbitmq-erlang", "rabbitmq-erlang"
    ),
    "rabbitmq-erlang-noarch": Repository(
        "yum1.rabbitmq.com/erlang/el/9/noarch", "rabbitmq-erlang", "rabbitmq-erlang"
    ),
    "rabbitmq-server": Repository(
        "yum1.rabbitmq.com/rabbitmq/el/9/x86_64", "rabbitmq-release", "rabbitmq-server"
    ),
    "rabbitmq-server-noarch": Repository(
        "yum1.rabbitmq.com/rabbitmq/el/9/noarch", "rabbitmq-release", "rabbitmq-server"
    ),
    "mongodb-org": Repository("repo.mongodb.org/yum/redhat/9/mongodb-org/8.0/x86_64", "mongodb"),
}
# What serves the same as another host.
COPIES = {"yum2.rabbitmq.com": "yum1.rabbitmq.com"}
SIGNING_KEYS = "github.com/rabbitmq/signing-keys/releases/download/3.0"
PUBLIC_KEYS = {
    "redhat/RPM-GPG-KEY-redhat-release": "redhat",
    f"{SIGNING_KEYS}/rabbitmq-release-signing-key.asc": "rabbitmq-release",
    f"{SIGNING_KEYS}/cloudsmith.rabbitmq-erlang.E495BB49CC4BBE5B.key": "rabbitmq-erlang",
    f"{SIGNING_KEYS}/cloudsmith.rabbitmq-server.9F4587F226208342.key": "rabbitmq-server",
    "pgp.mongodb.com/server-8.0.asc": "mongodb",
}


def mirror_path(suite: str) -> Path:
    """Return where the mirror for hosts over this Debian release is.

    The path changes with all that it is made of.
    """
    inputs = [path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return STORE / f"mirror-{suite}-{_digest([*inputs, *_locks(suite)], suite)}"


def build_mirror(suite: str, progress: Progress) -> Path:
    """Return the mirror for hosts over a Debian release; builds what is not there.

    Of two callers at once, one builds and one waits. A package is built again only when its spec,
    or what all specs share, changed.
    """
    path = mirror_path(suite)
    if path.is_dir():
        return path
    STORE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked("mirror", progress):
        if path.is_dir():
            return path
        progress(f"building the packages of the contract over {suite}, once (a minute or two)")
        keys.make_keys()
        try:
            with tempfile.TemporaryDirectory(dir=STORE, prefix="partial-") as temporary:
                partial = Path(temporary) / "mirror"
                _fill(partial, suite, progress)
                partial.chmod(0o755)
                partial.rename(path)
        finally:
            keys.close()
        _prune({path})
    return path


def _fill(mirror: Path, suite: str, progress: Progress) -> None:
    """Build all packages of a suite and make repositories of them."""
    streams: dict[str, dict[str, list[str]]] = {}
    for repository in REPOSITORIES.values():
        (mirror / repository.path).mkdir(parents=True)
    specs = read_specs(suite)
    debs.download(pair for spec in specs for pair in spec.packages(suite))
    for spec in specs:
        built = _build(spec, suite, progress)
        for package in built:
            shutil.copy(package, mirror / REPOSITORIES[spec.repository].path)
        if spec.module:
            modular = streams.setdefault(spec.repository, {})
            modular.setdefault(spec.module, []).extend(map(_full_name, built))
    for name, repository in REPOSITORIES.items():
        folder = mirror / repository.path
        run(["createrepo_c", "--quiet", "--no-database", str(folder)])
        if name in streams:
            file = mirror / "modules.yaml"
            file.write_text(modules.documents(streams[name]), encoding="utf-8")
            run(["modifyrepo_c", "--mdtype=modules", str(file), str(folder / "repodata")])
            file.unlink()
        if repository.index_key:
            keys.sign_repository(folder, repository.index_key)
    for copy, original in COPIES.items():
        (mirror / copy).symlink_to(original)
    for file_name, key in PUBLIC_KEYS.items():
        (mirror / file_name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(keys.public_key(key), mirror / file_name)


def _build(spec: Spec, suite: str, progress: Progress) -> list[Path]:
    """Return the signed RPMs of a spec; builds them unless they are there."""
    inputs = [spec.path, HERE / "contract.macros", HERE / "debs.py", *(HERE / "files").iterdir()]
    store = STORE / f"rpms-{suite}-{spec.name}-{_digest([*inputs, *_lock(spec)], suite)}"
    if not store.is_dir():
        progress(f"{spec.name} over {suite}")
        with tempfile.TemporaryDirectory(dir=STORE, prefix="partial-") as temporary:
            top = Path(temporary)
            debs.unpack(spec.packages(suite), top / "debian")
            for lock in _lock(spec):
                debs.install_wheels(lock, suite, top / "debian/wheels")
            argv = ["rpmbuild", "-bb", "--quiet", f"--load={HERE / 'contract.macros'}"]
            settings = {"_topdir": top, "debian": top / "debian", "contract": HERE / "files"}
            for name, value in settings.items():
                argv += ["--define", f"{name} {value}"]
            run([*argv, str(spec.path)], timeout=BUILD_SECONDS)
            keys.sign_packages(sorted(top.glob("RPMS/*/*.rpm")), REPOSITORIES[spec.repository].key)
            packages = top / "packages"
            packages.mkdir()
            for package in top.glob("RPMS/*/*.rpm"):
                package.rename(packages / package.name)
            packages.rename(store)
    return sorted(store.glob("*.rpm"))


def _full_name(package: Path) -> str:
    """Return a package's name as modular metadata has it."""
    form = "%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}"
    return run(
        ["rpm", "--query", "--package", "--nosignature", "--queryformat", form, str(package)]
    )


def _lock(spec: Spec) -> list[Path]:
    return [ROOT / "roles/mongodb/files" / spec.wheels] if spec.wheels else []


def _locks(suite: str) -> list[Path]:
    return [lock for spec in read_specs(suite) for lock in _lock(spec)]


def _digest(inputs: Iterable[Path], suite: str) -> str:
    """Return a short hash over files and where Debian's packages come from."""
    digest = hashlib.sha256(read_archive().sources(suite).encode())
    for path in sorted(inputs):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _prune(keep: set[Path]) -> None:
    """Delete mirrors and packages that nobody asked for in a week."""
    for path in [*STORE.glob("mirror-*"), *STORE.glob("rpms-*"), *STORE.glob("partial-*")]:
        if path not in keep and time.time() - path.stat().st_ctime > KEEP_SECONDS:
            shutil.rmtree(path)
