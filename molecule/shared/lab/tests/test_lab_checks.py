"""What this machine lacks is said in one line before anything is changed on it."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.checks import check_disk, check_memory, check_tools
from lab.errors import HostError, ImageError
from lab.image import find_images
from lab.paths import CACHE, STATE
from lab.tests.runner import SHARED


def test_a_missing_tool_is_named_with_its_debian_package() -> None:
    """Given two missing tools of one package and a present one, the package is named once."""
    tools = {"no-such-tool": "some-package", "nor-this": "some-package", "mount": "mount"}

    with pytest.raises(HostError, match=r"no-such-tool, nor-this \(apt-get install some-package\)"):
        check_tools(tools)


def test_too_little_disk_is_refused_with_the_numbers() -> None:
    """Given more than this machine's disk can hold, the error says what is free and needed."""
    with pytest.raises(HostError, match=r"too little disk: \d+ MiB free in .*, \d+ MiB needed"):
        check_disk({STATE: 2**60})


def test_directories_of_one_file_system_are_counted_together(tmp_path: Path) -> None:
    """Given two needs that fit one by one but not together, they are refused."""
    free = 2**20 * int(_megabytes_free(tmp_path))
    need = int(free * 0.6)
    check_disk({tmp_path / "a": need})

    with pytest.raises(HostError, match="too little disk"):
        check_disk({tmp_path / "a": need, tmp_path / "b": need})


def test_too_little_memory_is_refused_with_the_numbers() -> None:
    """Given more hosts than memory, the error says what is available and needed."""
    with pytest.raises(HostError, match=r"too little memory: \d+ MiB available, .* 1000000 hosts"):
        check_memory(1_000_000)


def test_an_unknown_image_is_answered_with_the_known_ones() -> None:
    """Given lab_image that no recipe makes, the error lists those that can be made."""
    with pytest.raises(ImageError, match=r"lab_image 'hurd' is unknown \(images: .*debian-13"):
        find_images({"hurd"})


def test_an_image_lives_in_the_cache_under_a_name_of_its_recipe() -> None:
    """Given an image, the path carries the recipe's digest: another recipe, another path."""
    path = find_images({"debian-13"})["debian-13"]

    assert path.parent == CACHE
    assert path.name.startswith("debian-13-")


@pytest.mark.lab
def test_only_root_may_use_the_lab() -> None:
    """Given another user, the command ends before it reads or changes anything."""
    program = (
        "import os, sys; from lab.cli import main; os.setuid(65534); "
        "sys.exit(main(['--inventory', '/nowhere', 'up']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(SHARED)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == ("lab: the lab needs root (mounts, network, guests): run it with sudo\n")


@pytest.mark.lab
def test_a_firewall_that_drops_forwarded_packets_is_noticed() -> None:
    """Given a machine (here: a network namespace) with such a chain, the chain is named."""
    program = "from lab.network import dropping_chains; print(dropping_chains())"
    chain = "add table ip filter; add chain ip filter FORWARD"
    hook = "{ type filter hook forward priority 0; policy drop; }"
    in_namespace = ["unshare", "--net", "sh", "-c", f"nft '{chain} {hook}' && exec \"$@\"", "sh"]
    done = subprocess.run(
        [*in_namespace, sys.executable, "-c", program],
        env={"PYTHONPATH": str(SHARED), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "['ip filter FORWARD']\n"


def _megabytes_free(directory: Path) -> str:
    """Ask df, which knows nothing of the lab."""
    done = subprocess.run(
        ["df", "--output=avail", "--block-size=1M", directory],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]
