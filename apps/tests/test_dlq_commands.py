"""`skillupworks dlq` as an operator types it, on queues in memory."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import skillupworks as skillupworks_package
from skillupworks.errors import ConfigurationError
from skillupworks.messaging.parked import Parked
from skillupworks.ops.cli import skillupworks

from .dlq_stubs import MemoryBroker, MemoryDeadLetters, parked

Dlq = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder: files are made where the operator is."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def broker() -> MemoryBroker:
    """Return a broker with two parked messages."""
    return MemoryBroker(parked("a"), parked("b", reason="exhausted", error_class="KeyError"))


@pytest.fixture
def dlq(broker: MemoryBroker) -> Dlq:
    """Return what runs a command."""

    def run(*words: str, text: str = "") -> Result:
        return CliRunner().invoke(skillupworks, ["dlq", *words], obj=broker.open, input=text)

    return run


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_list_has_a_row_for_each_message(dlq: Dlq) -> None:
    result = dlq("list")

    heading, _line, first, second = result.stdout.splitlines()
    assert heading.split() == ["Message", "Order", "Age", "Reason", "Class", "Tries", "Error"]
    assert first.startswith("a ")
    assert "total: is 2000, but the items add up to 1999" in first
    assert "exhausted" in second
    assert result.stderr == "2 messages in order-processing-dlq on memory\n"


def test_list_as_json_is_for_programs(dlq: Dlq) -> None:
    found = document(dlq("list", "--json", "--reason", "invalid"))

    assert (found["queue"], found["count"], found["matched"]) == ("order-processing-dlq", 2, 1)
    (message,) = found["messages"]
    assert message["message_id"] == "a"
    assert message["order_id"] == "ORD-1"
    assert message["reason"] == "invalid"
    assert message["parked_at"] == "2026-11-22T15:50:00Z"


def test_list_shows_the_latest_and_says_that_there_are_more(dlq: Dlq, broker: MemoryBroker) -> None:
    broker.queues["order-processing-dlq"] = [
        *(parked(f"{minutes}m", minutes=minutes) for minutes in (5, 30, 1)),
        parked("other", minutes=0, reason="other"),
    ]

    result = dlq("list", "--limit", "2", "--reason", "invalid")

    assert [line.split()[0] for line in result.stdout.splitlines()[2:]] == ["5m", "1m"]
    assert "3 of 4 messages in order-processing-dlq" in result.stderr
    assert "These are the latest 2; --limit 0 lists all of them." in result.stderr
    assert len(document(dlq("list", "--limit", "0", "--json"))["messages"]) == 4


def test_a_summary_counts_by_reason_and_class(dlq: Dlq, broker: MemoryBroker) -> None:
    broker.queues["order-processing-dlq"].append(parked("c"))

    groups = document(dlq("list", "--summary", "--json"))

    assert [(group["reason"], group["count"]) for group in groups] == [
        ("invalid", 2),
        ("exhausted", 1),
    ]
    assert "ValidationError" in dlq("list", "--summary").stdout


def test_an_empty_queue_is_said_to_be_empty(dlq: Dlq, broker: MemoryBroker) -> None:
    broker.queues["order-processing-dlq"].clear()

    result = dlq("list")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "order-processing-dlq on memory is empty\n"


def test_show_tells_all_about_a_message(dlq: Dlq) -> None:
    result = dlq("show", "a")

    for said in ("invalid", "ValidationError", "order-processing", '"total": 2000', "journalctl"):
        assert said in result.stdout
    assert "journalctl MESSAGE_ID=a" in result.stdout
    assert "journalctl ORDER_ID=ORD-1" in result.stdout


def test_show_finds_a_message_by_its_order_and_all_that_have_the_id(dlq: Dlq) -> None:
    assert len(document(dlq("show", "ORD-1", "--json"))["messages"]) == 2
    (message,) = document(dlq("show", "a", "--json"))["messages"]
    assert message["body"] == '{"orderId": "ORD-1", "total": 2000}'
    assert message["headers"]["skillupworks-reason"] == "invalid"


def test_show_says_which_message_is_not_there(dlq: Dlq) -> None:
    result = dlq("show", "a", "nobody")

    assert result.exit_code == 1
    assert result.stderr == "Error: there is no message 'nobody' in order-processing-dlq\n"


def test_what_a_message_contains_cannot_command_the_terminal(
    dlq: Dlq, broker: MemoryBroker
) -> None:
    evil = "\x1b[2J\x9b31m\u202e\r\x07[bold]"
    broker.queues["order-processing-dlq"] = [
        parked(evil, f"{evil}\nsecond".encode(), error=evil, headers={evil: [evil]}, reason=evil),
        Parked(body=json.dumps({"orderId": evil}).encode()),
    ]

    outputs = [
        dlq(*words)
        for words in (
            *(["list"], ["list", "--json"], ["list", "--summary"]),
            *(["show", evil], ["show", evil, "--json"], ["replay", "--dry-run"]),
            *(["show", f"no {evil}"], ["replay", "--to", "no"]),
        )
    ]

    for result in outputs:
        for character in "\x1b\x9b\u202e\r\x07":
            assert character not in result.output
    assert "\\x1b[2J" in outputs[0].stdout
    assert "[bold]" in outputs[0].stdout
    assert "second" in outputs[3].stdout


def test_replay_says_how_many_and_what_to_look_at_next(dlq: Dlq, broker: MemoryBroker) -> None:
    result = dlq("replay", "--reason", "invalid", "--rate", "0")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr.startswith("1 message replayed from order-processing-dlq\n")
    assert broker.keys("order-processing") == ["a"]
    (message,) = broker.queues["order-processing"]
    assert "replayed by " in message.history[0]


def test_a_dry_run_changes_nothing(dlq: Dlq, broker: MemoryBroker) -> None:
    broker.queues["order-processing-dlq"].append(Parked(body=b"?"))

    result = dlq("replay", "--dry-run")

    assert "2 messages would be replayed to order-processing\n" in result.stderr
    assert "1 message would be replayed nowhere" in result.stderr
    assert len(broker.keys()) == 3
    assert broker.keys("order-processing") == []
    targets = [m["target"] for m in document(dlq("replay", "--dry-run", "--json"))["messages"]]
    assert targets == ["order-processing", "order-processing", None]


def test_a_replay_that_is_not_complete_ends_with_1_and_says_why(
    dlq: Dlq, broker: MemoryBroker
) -> None:
    broker.queues["order-processing-dlq"].append(Parked(body=b"?", properties={"message_id": "c"}))

    result = dlq("replay", "--rate", "0")

    assert result.exit_code == 1
    assert "2 messages replayed" in result.stderr
    assert "Error: c: does not say in which queue it failed; name one with --to" in result.stderr
    broker.full.add("order-processing")
    result = dlq("replay", "--to", "order-processing", "--json")
    assert result.exit_code == 1
    assert document(result)["replayed"] == 0
    assert document(result)["ended_by"].endswith("it is full")


def test_drop_asks_first(dlq: Dlq, broker: MemoryBroker, tmp_path: Path) -> None:
    result = dlq("drop", text="n\n")

    assert result.exit_code == 1
    assert "Drop 2 messages from order-processing-dlq, and keep them in order-" in result.stderr
    assert broker.keys() == ["a", "b"]
    assert list(tmp_path.iterdir()) == []


def test_drop_does_not_ask_about_nothing(dlq: Dlq, tmp_path: Path) -> None:
    result = dlq("drop", "--reason", "other")

    assert (result.exit_code, result.stderr) == (0, "0 messages dropped\n")
    assert document(dlq("drop", "--reason", "other", "--json"))["dropped"] == 0
    assert list(tmp_path.iterdir()) == []


def test_drop_keeps_in_a_file_what_it_removes(
    dlq: Dlq, broker: MemoryBroker, tmp_path: Path
) -> None:
    result = dlq("drop", "--message-id", "a", text="y\n")

    assert result.exit_code == 0
    assert broker.keys() == ["b"]
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("order-processing-dlq-dropped-")
    assert f"1 message dropped, see {file.name}" in result.stderr
    assert json.loads(file.read_text())["properties"]["message_id"] == "a"


def test_drop_leaves_what_came_while_it_asked(broker: MemoryBroker) -> None:
    opened: list[str] = []

    def open_and_park(queue: str) -> MemoryDeadLetters:
        if opened:  # the second time, after the question
            broker.queues[queue].insert(0, parked("new"))
        opened.append(queue)
        return broker.open(queue)

    result = CliRunner().invoke(skillupworks, ["dlq", "drop"], obj=open_and_park, input="y\n")

    assert result.exit_code == 0
    assert broker.keys() == ["new"]


def test_export_then_drop_then_import_is_as_before(
    dlq: Dlq, broker: MemoryBroker, tmp_path: Path
) -> None:
    before = broker.queues["order-processing-dlq"][:]
    assert "2 messages exported, see kept.jsonl" in dlq("export", "--to", "kept.jsonl").stderr
    dropped = dlq("drop", "--yes", "--to", "dropped.jsonl", "--json")
    assert document(dropped)["dropped"] == 2
    assert (tmp_path / "kept.jsonl").read_text() == (tmp_path / "dropped.jsonl").read_text()

    result = dlq("import", "kept.jsonl")

    assert "2 messages imported" in result.stderr
    assert [repr(message) for message in broker.queues["order-processing-dlq"]] == [
        repr(message) for message in before
    ]
    assert document(dlq("import", "kept.jsonl", "--json"))["skipped"] == 2


def test_a_file_with_a_mistake_is_refused_as_a_whole(
    dlq: Dlq, broker: MemoryBroker, tmp_path: Path
) -> None:
    dlq("export", "--to", "messages.jsonl")
    with (tmp_path / "messages.jsonl").open("a") as file:
        file.write('{"queue": "order-processing-dlq"}\n')
    broker.queues["order-processing-dlq"].clear()

    result = dlq("import", "messages.jsonl")

    assert result.exit_code == 1
    assert result.stderr == "Error: messages.jsonl, line 3: properties: is missing\n"
    assert broker.keys() == []


def test_a_queue_that_is_not_there_is_one_line(dlq: Dlq) -> None:
    result = dlq("list", "--queue", "nope")

    assert (result.exit_code, result.stderr) == (1, "Error: there is no queue 'nope'\n")


def test_settings_that_are_missing_are_one_line() -> None:
    def refuse(_queue: str) -> Any:
        raise ConfigurationError("RABBITMQ_HOST: is required", "RABBITMQ_USER: is required")

    result = CliRunner().invoke(skillupworks, ["dlq", "list"], obj=refuse)

    line = "Error: RABBITMQ_HOST: is required; RABBITMQ_USER: is required\n"
    assert (result.exit_code, result.stderr) == (1, line)


@pytest.mark.parametrize(
    "words",
    [
        ["list", "--older-than", "5y"],
        ["list", "--limit", "-1"],
        ["replay", "--rate", "-1"],
        ["replay", "--rate", "0.01"],
        ["replay", "--rate", "nan"],
        ["show"],
        ["import"],
        ["nothing"],
    ],
)
def test_a_wrong_command_line_ends_with_2(dlq: Dlq, words: list[str]) -> None:
    result = dlq(*words)

    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_a_shell(shell: str) -> None:
    result = CliRunner().invoke(skillupworks, ["completion", shell])

    assert result.exit_code == 0
    assert "_SKILLUPWORKS_COMPLETE" in result.stdout


def test_no_service_imports_what_only_the_tool_needs() -> None:
    source = Path(skillupworks_package.__file__).parent
    imports = re.compile(r"^\s*(import|from) (click|rich)\b", re.MULTILINE)

    found = {path.parent.name for path in source.rglob("*.py") if imports.search(path.read_text())}

    assert found == {"ops"}
