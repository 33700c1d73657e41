"""Debian's archive is found in the machine's apt configuration, whatever stands beside it."""

from pathlib import Path

import pytest

from lab.apt import KEYRING, read_archive
from lab.errors import HostError


def etc_apt(directory: Path, **files: str) -> Path:
    """Write sources: `debian_sources` becomes sources.list.d/debian.sources."""
    (directory / "sources.list.d").mkdir()
    for name, text in files.items():
        folder = directory if name == "sources_list" else directory / "sources.list.d"
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return directory


def test_a_vendor_that_reuses_debians_names_is_not_debian(tmp_path: Path) -> None:
    """Given a vendor's source with Debian's suite and component before Debian's own."""
    apt = etc_apt(
        tmp_path,
        a_list="deb [signed-by=/etc/apt/vendor.gpg] https://vendor.example trixie main\n",
        b_list="deb https://vendor.example/linux/debian trixie stable\n",
        debian_sources=(
            "# Debian\nTypes: deb deb-src\nURIs: http://mirror.example/debian\n"
            f"Suites: trixie trixie-updates\nComponents: main\nSigned-By: {KEYRING}\n\n"
            "Types: deb\nURIs: http://mirror.example/debian-security\n"
            "Suites: trixie-security\nComponents:\n main\n contrib\n"
        ),
    )

    archive = read_archive(apt)

    assert archive.main == "http://mirror.example/debian"
    assert archive.security == "http://mirror.example/debian-security"


def test_one_line_sources_with_options_are_read(tmp_path: Path) -> None:
    """Given sources.list of old, comments and disabled lines are passed over."""
    apt = etc_apt(
        tmp_path,
        sources_list=(
            "# deb http://old.example/debian bookworm main\n"
            "deb-src http://mirror.example/debian bookworm main\n"
            f"deb [ arch=amd64 signed-by={KEYRING} ] https://cache.example/d bookworm main # x\n"
            "deb http://mirror.example/debian-security bookworm-security main\n"
        ),
    )

    archive = read_archive(apt)

    assert archive.main == "https://cache.example/d"
    assert archive.security == "http://mirror.example/debian-security"


def test_a_cloud_images_mirror_file_is_followed(tmp_path: Path) -> None:
    """Given `mirror+file:` as in Debian's cloud images, the file's first mirror is used."""
    mirrors = tmp_path / "mirrors.list"
    mirrors.write_text("http://near.example/debian\nhttp://far.example/debian\n", encoding="utf-8")
    apt = etc_apt(
        tmp_path,
        debian_sources=(
            f"Types: deb\nURIs: mirror+file://{mirrors}\nSuites: trixie\nComponents: main\n"
            f"Signed-By: {KEYRING}\n"
        ),
    )

    archive = read_archive(apt)

    assert archive.main == "http://near.example/debian"
    assert archive.security is None


def test_guests_get_stable_suites_only(tmp_path: Path) -> None:
    """Given any machine, a guest's sources name its release, updates and security."""
    apt = etc_apt(
        tmp_path,
        sources_list=(
            "deb http://mirror.example/debian sid main\n"
            "deb http://mirror.example/debian-security bookworm-security main\n"
        ),
    )

    sources = read_archive(apt).sources("trixie")

    suites = [line for line in sources.splitlines() if line.startswith("Suites:")]
    assert suites == ["Suites: trixie trixie-updates", "Suites: trixie-security"]


def test_a_proxy_in_the_environment_reaches_the_guests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given http_proxy, as apt on this machine would use it, guests are told the same."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    apt = etc_apt(tmp_path, sources_list="deb http://mirror.example/debian trixie main\n")

    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in read_archive(apt).settings


def test_a_machine_without_debians_archive_is_refused(tmp_path: Path) -> None:
    """Given only other vendors' sources or disabled ones, the error says what was looked for."""
    apt = etc_apt(
        tmp_path,
        a_list="deb https://vendor.example trixie main\n",
        b_sources=(
            "Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\n"
            "Suites: trixie\nComponents: main\n"
        ),
    )

    with pytest.raises(HostError, match="no Debian archive in"):
        read_archive(apt)
