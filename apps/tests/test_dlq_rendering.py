"""Tables fit the terminal, and ids can always be copied from them."""

from datetime import timedelta
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from skillupworks.messaging.parked import Parked
from skillupworks.ops.message_page import page_of
from skillupworks.ops.output import printable
from skillupworks.ops.rendering import age_of, message_table

from .dlq_stubs import NOW, parked

UUID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
MESSAGES = [
    parked("ORD-1702554000123456"),
    parked(UUID, b"{", reason="malformed", error="body: is not JSON: " + "x" * 200),
    parked(UUID, reason="exhausted", attempts=5, replays=2),
    parked(None, "₹ 漢字".encode()),
]


def lines(renderable: RenderableType, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(renderable)
    output: StringIO = console.file  # type: ignore[assignment]
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_list_fits_the_terminal_and_has_a_line_for_each_message(width: int) -> None:
    printed = lines(message_table(MESSAGES, NOW, width, for_people=True), width)

    assert len(printed) == 2 + len(MESSAGES)
    assert all(cell_len(line) <= width for line in printed)
    assert printed[3].startswith(UUID)


def test_a_wider_terminal_shows_more_columns() -> None:
    def headings(width: int) -> list[str]:
        return lines(message_table(MESSAGES, NOW, width, for_people=True), width)[0].split()

    assert headings(80) == ["Message", "Age", "Reason", "Error"]
    assert headings(120) == ["Message", "Age", "Reason", "Tries", "Replays", "Error"]
    assert headings(200)[1:3] == ["Order", "Age"]


def test_an_id_that_is_too_long_for_the_terminal_goes_on_in_the_next_line() -> None:
    key = "x" * 200

    printed = lines(message_table([parked(key)], NOW, 80, for_people=True), 80)

    assert "".join(line.split()[0] for line in printed[2:]) == key


def test_nothing_is_cut_where_there_is_no_terminal() -> None:
    printed = lines(message_table(MESSAGES, NOW, 100_000, for_people=False), 100_000)

    assert "x" * 200 in printed[3]


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86400, "1d"), (8e6, "92d")],
)
def test_an_age_is_short(seconds: float, age: str) -> None:
    assert age_of(NOW - timedelta(seconds=seconds), NOW) == age


def test_an_unknown_age_is_said_to_be_unknown() -> None:
    assert age_of(None, NOW) == "?"


def page(message: Parked, width: int = 80) -> str:
    printed = (line for part in page_of(message, NOW) for line in lines(part, width))
    return "\n".join(line.rstrip() for line in printed)


def test_a_page_shows_json_in_a_readable_form() -> None:
    assert '\n    "total": 2000\n' in page(parked("a"))


def test_a_page_shows_any_body() -> None:
    assert "is not text, it begins with: ff fe 00" in page(parked("a", b"\xff\xfe\x00"))
    assert "Body, 0 bytes" in page(parked("a", b""))
    assert "… and 92,000 characters more" in page(parked("a", b"x" * 100_000))


def test_a_page_says_how_to_find_the_message_in_the_journal() -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    message = parked("it's", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})

    assert f"journalctl TRACE_ID={trace_id}" in page(message)
    assert "journalctl MESSAGE_ID='it'\"'\"'s'" in page(message)
    assert "nothing to search by" in page(Parked(body=b"?"))


def test_a_page_shows_the_headers_that_it_has_not_told_about() -> None:
    shown = page(parked("a", headers={"tenant": "x", "list": [1, {"$": b"\xff"}]}))

    assert "tenant" in shown
    assert '[1, {"$table": [["$", {"$bytes": "/w=="}]]}]' in shown
    assert "skillupworks-reason" not in shown


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x9b", "\u2028", "\u202e", "\ud800"]
)
def test_what_could_command_a_terminal_is_made_visible(character: str) -> None:
    assert printable(f"a{character}b") == f"a{character.encode('unicode_escape').decode()}b"


def test_lines_of_a_body_stay_lines() -> None:
    assert printable("a\n\tb", on_one_line=False) == "a\n\tb"
    assert printable("a\n\tb") == "a\\n\\tb"
