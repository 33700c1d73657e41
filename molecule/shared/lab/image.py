"""The base images: root file systems built once and shared by all guests of all labs."""

import hashlib
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from el9.mirror import TOOLS, build_mirror
from lab.apt import Archive, read_archive
from lab.checks import check_tools
from lab.command import SYSTEM_PATH
from lab.errors import ImageError
from lab.genuine import ARCHIVES, genuine_path, unpack_genuine
from lab.paths import CACHE, locked
from lab.progress import Progress

PARTIAL = ".partial"
LOG_LINES = 15
KEEP_SECONDS = 24 * 3600
CUSTOMIZE = Path(__file__).with_name("customize-image.sh")
CONTRACT = Path(__file__).with_name("contract-image.sh")
MIRROR = "/srv/mirror"
PREFERENCES = "etc/apt/preferences.d/unstable"

# What the distribution's cloud image has and roles may count on. Nothing that a role installs.
CLOUD_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "python3", "python3-apt",
    "iproute2", "procps", "ca-certificates", "less",
)  # fmt: skip

# What a host has that answers like RHEL 9: dnf, and the libraries that the packages of
# molecule/shared/el9 need.
EL9_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "python3", "iproute2", "procps",
    "ca-certificates", "less", "dnf", "rpm", "python3-dnf", "gpg", "gpg-agent", "tzdata", "polkitd",
    "python3-dbus", "python3-gi", "gir1.2-nm-1.0", "nftables", "python3-nftables", "python3-yaml",
    "libatomic1", "libbz2-1.0", "libedit2", "libexpat1", "libffi8", "libjemalloc2",
    "liblzf1", "liblzma5", "libncurses6", "libncursesw6", "libnsl2", "libnuma1", "libpcre2-8-0",
    "libpopt0", "libseccomp2", "libsqlite3-0", "libuuid1", "libxml2", "media-types", "netbase",
)  # fmt: skip
EL9_BOOKWORM = (
    *EL9_PACKAGES, "libaio1", "libdb5.3", "libgnutls30", "libnettle8", "libreadline8", "libtirpc3",
)  # fmt: skip
EL9_TRIXIE = (
    *EL9_PACKAGES, "libaio1t64", "libdb5.3t64", "libgnutls30t64", "libnettle8t64",
    "libreadline8t64", "libtirpc3t64", "liburing2",
)  # fmt: skip


# What a host has of Debian's unstable release, and what that needs of its libraries. Its systemd
# is not among it: that wants control groups of version 2.
UNSTABLE_PACKAGES = (
    "mysql-*", "rabbitmq-server", "rabbitmqadmin-ng", "erlang-*", "libc6", "libc-bin", "libgcc-s1",
    "libstdc++6", "libatomic1", "libgomp1", "gcc-*-base", "libgoogle-perftools4t64",
    "libtcmalloc-minimal4t64", "libmimalloc3",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How one image is made: the Debian release and the packages on top of its minimal set.

    `contract` hosts answer like RHEL 9: CONTRACT changes the tree, and MIRROR has their packages.
    Of the packages `unstable`, patterns of names, hosts have what Debian's unstable release has,
    with what these need; that is another version each day.
    """

    suite: str
    packages: tuple[str, ...]
    contract: bool = False
    unstable: tuple[str, ...] = ()

    @property
    def scripts(self) -> list[Path]:
        """Return what changes the fresh tree, in order."""
        return [CUSTOMIZE, CONTRACT] if self.contract else [CUSTOMIZE]

    def sources(self, archive: Archive) -> str:
        """Return where apt finds packages."""
        suites = [self.suite, "sid"] if self.unstable else [self.suite]
        return "\n".join(archive.sources(suite) for suite in suites)

    @property
    def preferences(self) -> str:
        """Return what apt prefers; empty for the newest of all that there is."""
        if not self.unstable:
            return ""
        pins = [("*", 100), (" ".join(self.unstable), 990)]
        return "\n".join(
            f"Package: {names}\nPin: release a=unstable\nPin-Priority: {priority}\n"
            for names, priority in pins
        )


# Debian 12 has RHEL 9's systemd, dnf and firewalld; Debian 13 has programs that are too old in
# Debian 12, or not there. Debian's unstable release alone has MySQL, and a newer RabbitMQ.
RECIPES = {
    "debian-13": Recipe("trixie", CLOUD_PACKAGES),
    "debian-13-unstable": Recipe("trixie", CLOUD_PACKAGES, unstable=UNSTABLE_PACKAGES),
    "el9-contract": Recipe("bookworm", EL9_BOOKWORM, contract=True),
    "el9-contract-13": Recipe("trixie", EL9_TRIXIE, contract=True),
}


def image_path(name: str, archive: Archive) -> Path:
    """Return where the image of this name lives; the path changes whenever its recipe does."""
    recipe = RECIPES[name]
    parts = [
        name, recipe.suite, recipe.packages, recipe.sources(archive), archive.settings,
        *([recipe.preferences] if recipe.preferences else []),
        *(script.read_text(encoding="utf-8") for script in recipe.scripts),
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return CACHE / f"{name}-{digest[:12]}"


def find_images(names: Collection[str]) -> dict[str, Path]:
    """Return the path of each image, built or not; ImageError names an unknown one."""
    for name in names:
        if name not in RECIPES and name not in ARCHIVES:
            known = ", ".join(sorted([*RECIPES, *ARCHIVES]))
            raise ImageError(f"lab_image {name!r} is unknown (images: {known})")
    archive = read_archive()
    return {
        name: genuine_path(name) if name in ARCHIVES else image_path(name, archive)
        for name in names
    }


def build_image(name: str, path: Path, progress: Progress) -> None:
    """Build an image unless it is there; of two callers at once, one builds and one waits.

    Appears under its final name only when complete.
    """
    if path.is_dir():
        return
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked("image", progress):
        if path.is_dir():
            return
        progress(f"building the base image {name}, once (about half a minute)")
        partial = path.with_suffix(PARTIAL)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            if name in ARCHIVES:
                unpack_genuine(name, partial)
            else:
                _bootstrap(RECIPES[name], partial, read_archive())
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(path)


def build_mirrors(names: Collection[str], progress: Progress) -> dict[str, list[str]]:
    """Return the options for nspawn of the hosts of each image: where a contract's packages are.

    Builds what is not there.
    """
    options: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        if name in RECIPES and RECIPES[name].contract:
            check_tools(TOOLS)
            mirror = build_mirror(RECIPES[name].suite, progress)
            options[name] = [f"--bind-ro={mirror}:{MIRROR}"]
    return options


def prune_images(in_use: Collection[Path]) -> None:
    """Delete what nobody needs: abandoned builds, and old images no guest is made from.

    An image of another recipe stays for a day: another checkout may be about to use it.
    """
    keep = {*in_use, *find_images(list(RECIPES)).values()}
    with locked("image"):
        for path in CACHE.glob("*-*"):
            old = time.time() - path.stat().st_ctime > KEEP_SECONDS
            if path.suffix == PARTIAL or (old and path not in keep):
                shutil.rmtree(path)


def _bootstrap(recipe: Recipe, target: Path, archive: Archive) -> None:
    """Run mmdebstrap into `target`."""
    # Its own PID namespace, bound to our life: when the lab is killed, so is all of the build.
    argv = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"]
    argv += ["mmdebstrap", "--mode=root", "--variant=minbase"]
    argv += [f"--include={','.join(recipe.packages)}"]
    argv += [f"--aptopt={setting}" for setting in archive.settings]
    # The package lists stay, a day old at most when it matters: five guests need not fetch them.
    argv += ["--skip=cleanup/apt/lists"]
    if recipe.preferences:
        write = f'printf %s {shlex.quote(recipe.preferences)} > "$1"/{PREFERENCES}'
        argv += [f"--setup-hook={write}"]
    argv += [f"--customize-hook={script}" for script in recipe.scripts]
    argv += [recipe.suite, str(target), "-"]
    sources = recipe.sources(archive)
    done = subprocess.run(
        argv, input=sources, text=True, capture_output=True, env={"PATH": SYSTEM_PATH}, check=False
    )
    if done.returncode != 0:
        raise ImageError(
            f"mmdebstrap could not build {target.stem}", done.stderr.splitlines()[-LOG_LINES:]
        )
    for file in [target / "etc/apt/sources.list", *(target / "etc/apt/sources.list.d").iterdir()]:
        file.unlink(missing_ok=True)
    (target / "etc/apt/sources.list.d/debian.sources").write_text(sources, encoding="utf-8")
