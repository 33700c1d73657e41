"""The mistakes that `make el9-mutations` makes can be made, and are undone."""

import sys

import pytest

from rhel9 import mutations
from rhel9.mutations import MUTATIONS, Mutation, applied, main


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each.role}: {each.new.strip()}")
def test_the_place_of_a_mutation_is_there(mutation: Mutation) -> None:
    """Given a role as it is, the words that a mutation replaces are in it once."""
    text = mutation.path.read_text(encoding="utf-8")
    assert mutation.apply(text) != text


def test_a_file_is_restored_when_the_block_fails() -> None:
    """Given a failure while a mistake is in place, the file is as before."""
    before = MUTATIONS[0].path.read_bytes()

    def fail_inside() -> None:
        with applied(MUTATIONS[0]):
            assert MUTATIONS[0].path.read_bytes() != before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_inside()
    assert MUTATIONS[0].path.read_bytes() == before


def test_what_a_command_does_not_notice_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a command that always succeeds, a mutation is reported as missed, with status 1."""
    monkeypatch.setattr(mutations, "MUTATIONS", MUTATIONS[:1])
    assert main(["--", sys.executable, "-c", "pass"]) == 1
    assert "**missed**" in capsys.readouterr().out


def test_a_command_that_always_fails_proves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Given a command that fails for the files as they are, nothing is mutated, with status 2."""
    assert main(["--", sys.executable, "-c", "raise SystemExit(1)"]) == 2
    assert capsys.readouterr().out == ""
