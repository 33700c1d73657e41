"""The packages of the contract: what their specs say, and the modules they are in."""

from pathlib import Path

import pytest
import yaml

from el9.mirror import REPOSITORIES
from el9.modules import STREAMS, documents
from el9.specs import SPECS, read_spec, read_specs
from lab.errors import ImageError

ALL = sorted(SPECS.glob("*.spec"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_spec_names_its_facts_and_a_repository_that_there_is(path: Path) -> None:
    """A module that it is in is one of those that are described."""
    assert "\n# fact: " in f"\n{path.read_text(encoding='utf-8')}"
    spec = read_spec(path)
    assert spec.repository in REPOSITORIES
    assert set(spec.suites) <= {"bookworm", "trixie"}
    streams = yaml.safe_load(STREAMS.read_text(encoding="utf-8"))
    assert spec.module is None or spec.module in streams


def test_a_spec_without_a_repository_is_refused(tmp_path: Path) -> None:
    """By its name."""
    path = tmp_path / "nothing.spec"
    path.write_text("Name: nothing\n", encoding="utf-8")
    with pytest.raises(ImageError, match=r"nothing\.spec has no line"):
        read_spec(path)


def test_a_spec_is_built_over_the_releases_it_names_and_takes_packages_of_others(
    tmp_path: Path,
) -> None:
    """By default over both, from each its own."""
    (tmp_path / "one.spec").write_text(
        "# repository: baseos\n# debian: tool bookworm/old\n", encoding="utf-8"
    )
    (tmp_path / "two.spec").write_text("# repository: baseos\n# suites: trixie\n", encoding="utf-8")
    assert [spec.name for spec in read_specs("bookworm", tmp_path)] == ["one"]
    one, two = read_specs("trixie", tmp_path)
    assert (one.name, two.name) == ("one", "two")
    assert one.packages("trixie") == [("trixie", "tool"), ("bookworm", "old")]


def test_no_stream_is_a_default_and_mysql_has_no_default_profile() -> None:
    """As on RHEL 9: a role names both."""
    text = documents(
        {"mysql:8.4": ["mysql-0:8.4-1.x86_64"], "nginx:1.26": ["nginx-1:1.26-1.x86_64"]}
    )
    found = list(yaml.safe_load_all(text))
    defaults = [each["data"] for each in found if each["document"] == "modulemd-defaults"]
    assert defaults == [{"module": "nginx", "profiles": {"1.26": ["common"]}}]
    mysql = next(each["data"] for each in found if each["data"].get("name") == "mysql")
    assert mysql["stream"] == "8.4"
    assert mysql["profiles"]["server"] == {"rpms": ["mysql-server"]}
    assert mysql["artifacts"] == {"rpms": ["mysql-0:8.4-1.x86_64"]}
