"""The release archive depends on its content and on nothing else."""

import importlib.util
import os
import tarfile
import time
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def builder() -> ModuleType:
    """Load build_release.py, which is a program and no part of a package."""
    path = Path(__file__).parents[1] / "build_release.py"
    spec = importlib.util.spec_from_file_location("build_release", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_stage(folder: Path, *, backwards: bool = False) -> Path:
    """Write the same files, in one order or the other."""
    files = {"VERSION": "1\n", "uv": "binary", "wheels/a.whl": "a", "wheels/b.whl": "b"}
    for name in sorted(files, reverse=backwards):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name])
    return folder


def test_the_same_content_gives_the_same_bytes(builder: ModuleType, tmp_path: Path) -> None:
    # Given the same files, written in another order, at another time, with other rights
    first = make_stage(tmp_path / "first")
    second = make_stage(tmp_path / "second", backwards=True)
    for path in second.rglob("*"):
        os.utime(path, (time.time() - 86400, time.time() - 86400))
    (second / "VERSION").chmod(0o600)

    # When each is archived
    builder.write_archive(first, tmp_path / "first.tar")
    builder.write_archive(second, tmp_path / "second.tar")

    # Then the archives are equal
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_what_is_in_the_archive_belongs_to_root_and_only_uv_can_be_run(
    builder: ModuleType, tmp_path: Path
) -> None:
    builder.write_archive(make_stage(tmp_path / "stage"), tmp_path / "release.tar")

    with tarfile.open(tmp_path / "release.tar") as archive:
        members = {member.name: member for member in archive.getmembers()}
    assert {"root"} == {member.uname for member in members.values()}
    assert (0o755, 0o644) == (members["./uv"].mode, members["./wheels/a.whl"].mode)


def test_another_source_is_another_version(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a project
    source = tmp_path / "apps" / "src" / "skillupworks" / "module.py"
    source.parent.mkdir(parents=True)
    source.write_text("x = 1\n")
    uv = tmp_path / "uv"
    lock = tmp_path / "requirements" / "app.txt"
    lock.parent.mkdir()
    for path in (uv, lock, tmp_path / "apps" / "pyproject.toml"):
        path.write_text("")
    monkeypatch.setattr(builder, "APPS", tmp_path / "apps")
    monkeypatch.setattr(builder, "ROOT", tmp_path)
    monkeypatch.setattr(builder, "LOCK", lock)
    monkeypatch.setattr(builder, "__file__", str(tmp_path / "apps" / "pyproject.toml"))
    before = builder.content_digest(uv)

    # When nothing of its content changes, its version does not either
    os.utime(source)
    cache = source.parent / "__pycache__" / "module.pyc"
    cache.parent.mkdir()
    cache.write_text("compiled")
    assert before == builder.content_digest(uv)

    # When a line of source or a pinned version changes, so does the version
    source.write_text("x = 2\n")
    changed = builder.content_digest(uv)
    lock.write_text("pika==1.4.4\n")
    assert len({before, changed, builder.content_digest(uv)}) == 3


def test_a_release_is_built_again_when_its_archive_was_damaged(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, artifact = tmp_path / "release.json", tmp_path / "release.tar"
    artifact.write_text("content")
    monkeypatch.setattr(builder, "ROOT", tmp_path)
    builder.write_manifest(manifest, artifact, "1.0")
    assert builder.is_current(manifest, artifact, "1.0")
    assert not builder.is_current(manifest, artifact, "1.1")

    artifact.write_text("damaged")

    assert not builder.is_current(manifest, artifact, "1.0")


def test_a_failing_step_is_one_line_that_says_what_failed(builder: ModuleType) -> None:
    command = ["sh", "-c", "echo one >&2; echo 'ERROR: no route to host' >&2; exit 2"]

    with pytest.raises(builder.BuildError) as caught:
        builder.run(command, "cannot download the wheels for Python 3.12")

    message = "cannot download the wheels for Python 3.12: ERROR: no route to host"
    assert message == str(caught.value)
